/** Signing in: by name and password, or by the one-time link that `sortline up` prints. */

import {
  Alert,
  Button,
  Center,
  Loader,
  Paper,
  PasswordInput,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { type UseMutationResult, useMutation } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { Problem } from "../api/client";
import { signIn, signInByLink } from "../api/session";
import { Failed } from "../parts/States";
import { words } from "../words";

const t = words.signIn;

export function SignIn() {
  const navigate = useNavigate();
  const sending = useMutation({
    mutationFn: (form: FormData) => signIn(String(form.get("name")), String(form.get("password"))),
    onSuccess: () => navigate("/", { replace: true }),
  });
  return (
    <Front>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          sending.mutate(new FormData(event.currentTarget));
        }}
      >
        <Stack>
          <TextInput name="name" label={t.name} autoComplete="username" required autoFocus />
          <PasswordInput name="password" label={t.password} autoComplete="current-password" required />
          {sending.isError && <Failed error={sending.error} />}
          <Button type="submit" loading={sending.isPending}>
            {t.submit}
          </Button>
          <Text size="sm" c="dimmed">
            {t.local}
          </Text>
        </Stack>
      </form>
    </Front>
  );
}

/** Where a one-time link lands; the first of an installation makes its admin. */
export function LinkSignIn({ token, onDone }: { token: string; onDone: () => void }) {
  const navigate = useNavigate();
  const sending = useMutation({
    mutationFn: (admin?: { name: string; password: string }) => signInByLink(token, admin),
    onSuccess: onDone,
  });
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return; // a link works once, and React may run effects twice
    begun.current = true;
    sending.mutate(undefined);
  }, [sending.mutate]);
  const isSetup = sending.error instanceof Problem && sending.error.type.endsWith(":setup-needed");
  if (isSetup || sending.variables)
    return <FirstAdmin sending={sending} isFirstTry={isSetup && !sending.variables} />;
  if (!sending.isError) {
    return (
      <Center mih="100vh">
        <Stack align="center" role="status">
          <Loader />
          <Text>{t.link}</Text>
        </Stack>
      </Center>
    );
  }
  return (
    <Front>
      <Stack>
        <Alert color="yellow" title={t.linkFailed}>
          {t.linkFailedDetail}
        </Alert>
        <Failed error={sending.error} />
        <Button
          onClick={() => {
            onDone();
            navigate("/sign-in", { replace: true });
          }}
        >
          {t.submit}
        </Button>
      </Stack>
    </Front>
  );
}

function FirstAdmin(props: {
  sending: UseMutationResult<void, Error, { name: string; password: string } | undefined>;
  isFirstTry: boolean;
}) {
  const { sending } = props;
  return (
    <Front>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          sending.mutate({ name: String(form.get("name")), password: String(form.get("password")) });
        }}
      >
        <Stack>
          <Alert color="brand" title={t.first}>
            {t.firstDetail}
          </Alert>
          <TextInput name="name" label={t.name} autoComplete="username" required autoFocus />
          <PasswordInput
            name="password"
            label={t.password}
            description={t.passwordRule}
            autoComplete="new-password"
            minLength={10}
            required
          />
          {sending.isError && !props.isFirstTry && <Failed error={sending.error} />}
          <Button type="submit" loading={sending.isPending}>
            {t.submit}
          </Button>
        </Stack>
      </form>
    </Front>
  );
}

function Front({ children }: { children: React.ReactNode }) {
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder radius="lg" p="xl" w={400} maw="100%" className="sl-card">
        <Stack>
          <Stack align="center" gap={6}>
            <img src="/favicon.svg" alt="" width={44} height={44} />
            <Title order={1} size="h3">
              {t.title}
            </Title>
          </Stack>
          {children}
        </Stack>
      </Paper>
    </Center>
  );
}
