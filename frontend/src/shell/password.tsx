/** A person's own password, changed. */

import { Button, PasswordInput, Stack } from "@mantine/core";
import { modals } from "@mantine/modals";
import { useMutation } from "@tanstack/react-query";
import { changePassword } from "../api/session";
import { Failed } from "../parts/States";
import { said } from "../parts/toasts";
import { words } from "../words";

const t = words.shell;

export function askPassword(): void {
  const id = modals.open({
    title: t.changePassword,
    children: <PasswordForm onDone={() => modals.close(id)} />,
  });
}

function PasswordForm({ onDone }: { onDone: () => void }) {
  const change = useMutation({
    mutationFn: (form: FormData) => changePassword(String(form.get("old")), String(form.get("new"))),
    onSuccess: () => {
      said(t.passwordChanged);
      onDone();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        change.mutate(new FormData(event.currentTarget));
      }}
    >
      <Stack>
        <PasswordInput
          name="old"
          label={t.oldPassword}
          autoComplete="current-password"
          required
          data-autofocus
        />
        <PasswordInput
          name="new"
          label={t.newPassword}
          description={words.signIn.passwordRule}
          autoComplete="new-password"
          minLength={10}
          required
        />
        {change.isError && <Failed error={change.error} />}
        <Button type="submit" loading={change.isPending}>
          {words.common.save}
        </Button>
      </Stack>
    </form>
  );
}
