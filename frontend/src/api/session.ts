/** Who uses the app, and what they may do. */

import { useQuery } from "@tanstack/react-query";
import { answer, api, queries, type Schemas } from "./client";

export type Scope = Schemas["SessionView"]["scopes"][number];

export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: () => answer(api.GET("/api/v1/session")),
    staleTime: 60_000,
  });
}

/** Whether the one who uses the app may do what needs this scope. */
export function useMay(): (scope: Scope) => boolean {
  const { data } = useSession();
  return (scope) => data?.scopes.includes(scope) ?? false;
}

export async function signIn(name: string, password: string): Promise<void> {
  await answer(api.POST("/api/v1/session", { body: { name, password } }));
  await queries.resetQueries();
}

/** By a one-time link; the first one of an installation comes with the name and password of its admin. */
export async function signInByLink(token: string, admin?: { name: string; password: string }): Promise<void> {
  await answer(api.POST("/api/v1/session/link", { body: { token, ...admin } }));
  await queries.resetQueries();
}

export async function signOut(everywhere: boolean): Promise<void> {
  await answer(api.DELETE("/api/v1/session", { params: { query: { everywhere } } }));
  await queries.resetQueries();
}

export async function changePassword(old: string, now: string): Promise<void> {
  await answer(api.PUT("/api/v1/session/password", { body: { old, new: now } }));
}
