/** The frame around every page: brand, line, navigation, who is signed in. */

import {
  ActionIcon,
  AppShell,
  Burger,
  Group,
  Menu,
  NavLink,
  ScrollArea,
  Select,
  Text,
  Title,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconBook2,
  IconBoxMultiple,
  IconChartAreaLine,
  IconChecklist,
  IconDatabase,
  IconExternalLink,
  IconListCheck,
  IconPhotoSearch,
  IconSchool,
  IconSettings,
  IconSun,
  IconUserCircle,
  IconUsers,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ComponentType, useEffect } from "react";
import { Link, Outlet, NavLink as RouterLink, useLocation, useNavigate } from "react-router";
import { type Scope, signOut, useMay, useSession } from "../api/session";
import { failed } from "../parts/toasts";
import { words } from "../words";
import { useLineChoice, useLinked } from "./line";
import { askPassword } from "./password";

const t = words.shell;

interface Place {
  path: string;
  label: string;
  icon: ComponentType<{ size?: number; "aria-hidden"?: boolean }>;
  scope: Scope;
}

const GROUPS: { label: string; places: Place[] }[] = [
  {
    label: t.groups.work,
    places: [
      { path: "/", label: t.pages.classify, icon: IconPhotoSearch, scope: "classify" },
      { path: "/review", label: t.pages.review, icon: IconChecklist, scope: "review" },
      { path: "/dashboard", label: t.pages.dashboard, icon: IconChartAreaLine, scope: "review" },
    ],
  },
  {
    label: t.groups.learn,
    places: [
      { path: "/data", label: t.pages.data, icon: IconDatabase, scope: "review" },
      { path: "/training", label: t.pages.training, icon: IconSchool, scope: "review" },
      { path: "/models", label: t.pages.models, icon: IconBoxMultiple, scope: "classify" },
    ],
  },
  {
    label: t.groups.manage,
    places: [
      { path: "/settings/line", label: t.pages.lines, icon: IconSettings, scope: "classify" },
      { path: "/settings/people", label: t.pages.people, icon: IconUsers, scope: "admin" },
      { path: "/settings/jobs", label: t.pages.jobs, icon: IconListCheck, scope: "train" },
    ],
  },
];

export function Shell() {
  const [opened, menu] = useDisclosure();
  const { pathname } = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a page was chosen, so the menu over it goes
  useEffect(menu.close, [pathname]);
  return (
    <AppShell
      header={{ height: 58 }}
      navbar={{ width: 218, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding="md"
    >
      <a href="#content" className="sl-skip">
        {t.skip}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" gap="sm" wrap="nowrap" justify="space-between">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={menu.toggle} hiddenFrom="sm" size="sm" aria-label={t.menu} />
            <Brand />
            <Health />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <LineChooser />
            <Scheme />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t.navigation}>
        <ScrollArea type="auto">
          <Navigation />
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

function Brand() {
  return (
    <Group
      component={Link}
      {...({ to: "/" } as object)}
      gap={8}
      wrap="nowrap"
      td="none"
      c="var(--mantine-color-text)"
    >
      <img src="/favicon.svg" alt="" width={28} height={28} />
      <Text fw={700} visibleFrom="xs">
        {t.name}
      </Text>
    </Group>
  );
}

function Navigation() {
  const may = useMay();
  const linked = useLinked();
  const { pathname } = useLocation();
  return (
    <>
      {GROUPS.map((group) => {
        const places = group.places.filter((place) => may(place.scope));
        if (places.length === 0) return null;
        return (
          <div key={group.label}>
            <Title order={2} size="xs" c="dimmed" fw={600} px="sm" pt="sm" pb={4}>
              {group.label}
            </Title>
            {places.map((place) => (
              <NavLink
                key={place.path}
                component={RouterLink}
                to={linked(place.path)}
                label={place.label}
                leftSection={<place.icon size={19} aria-hidden />}
                active={place.path === "/" ? pathname === "/" : pathname.startsWith(place.path)}
                style={{ borderRadius: 8 }}
              />
            ))}
          </div>
        );
      })}
      <NavLink
        href="/api/docs"
        label={t.pages.docs}
        leftSection={<IconBook2 size={19} aria-hidden />}
        rightSection={<IconExternalLink size={14} aria-hidden />}
        style={{ borderRadius: 8 }}
      />
    </>
  );
}

function LineChooser() {
  const { lines, line, choose } = useLineChoice();
  if (!line) return null;
  return (
    <Select
      aria-label={t.line}
      data={lines.map((one) => ({ value: one.name, label: one.title || one.name }))}
      value={line.name}
      onChange={(name) => name && choose(name)}
      allowDeselect={false}
      searchable={lines.length > 8}
      w={{ base: 128, xs: 190 }}
      size="sm"
    />
  );
}

function Health() {
  const { data } = useQuery({
    queryKey: ["health"],
    queryFn: fetchHealth,
    refetchInterval: 10_000,
    retry: false,
  });
  const state = data ?? "unknown";
  return (
    <Group gap={7} wrap="nowrap" role="status" title={t.health[state]}>
      <span className="sl-health" data-state={state} />
      <Text size="sm" c="dimmed" visibleFrom="sm">
        {t.health[state]}
      </Text>
      <span className="sl-spoken">{t.health[state]}</span>
    </Group>
  );
}

async function fetchHealth(): Promise<"ready" | "starting" | "down"> {
  try {
    return (await fetch("/health/live", { cache: "no-store" })).ok ? "ready" : "starting";
  } catch {
    return "down";
  }
}

function Scheme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const next = { auto: "light", light: "dark", dark: "auto" } as const;
  return (
    <ActionIcon
      variant="default"
      size="lg"
      visibleFrom="xs"
      onClick={() => setColorScheme(next[colorScheme])}
      aria-label={t.scheme[colorScheme]}
      title={t.scheme[colorScheme]}
    >
      <IconSun size={18} aria-hidden />
    </ActionIcon>
  );
}

function Account() {
  const { data: session } = useSession();
  const navigate = useNavigate();
  const out = (everywhere: boolean) => signOut(everywhere).catch(failed);
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t.account}>
          <IconUserCircle size={20} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session?.local ? t.localAdmin : session?.name ? t.signedInAs(session.name) : t.anonymous}
        </Menu.Label>
        {session?.name ? (
          <>
            {!session.local && <Menu.Item onClick={askPassword}>{t.changePassword}</Menu.Item>}
            <Menu.Item onClick={() => out(false)}>{t.signOut}</Menu.Item>
            <Menu.Item onClick={() => out(true)}>{t.signOutEverywhere}</Menu.Item>
          </>
        ) : (
          <Menu.Item onClick={() => navigate("/sign-in")}>{t.signIn}</Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
