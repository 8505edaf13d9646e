/** Which page stands at which address, and what must be there before one can. */

import { Button, Center, Loader } from "@mantine/core";
import { type ComponentType, lazy, type ReactNode, Suspense, useState } from "react";
import { createBrowserRouter, Link, Navigate, Outlet, useRouteError } from "react-router";
import { type Scope, useMay, useSession } from "./api/session";
import { Classify } from "./pages/classify/Classify";
import { Empty, Failed, Loading } from "./parts/States";
import { LineProvider, useLineChoice, useLines } from "./shell/line";
import { Shell } from "./shell/Shell";
import { LinkSignIn, SignIn } from "./shell/SignIn";
import { words } from "./words";

const t = words.shell;

// A one-time link's token is taken out of the address before anything else can read or keep it.
const token = takeToken();

function takeToken(): string | null {
  // Behind #, which no browser sends and no log keeps: /sign-in#token=… and /setup#token=…
  const found = /^#token=(.+)$/.exec(window.location.hash)?.[1];
  if (found) window.history.replaceState(null, "", "/");
  return found ? decodeURIComponent(found) : null;
}

const Review = lazily(() => import("./pages/review/Review"), "Review");
const Dashboard = lazily(() => import("./pages/dashboard/Dashboard"), "Dashboard");
const Data = lazily(() => import("./pages/data/Data"), "Data");
const Training = lazily(() => import("./pages/training/Training"), "Training");
const Run = lazily(() => import("./pages/training/Run"), "Run");
const Models = lazily(() => import("./pages/models/Models"), "Models");
const Model = lazily(() => import("./pages/models/Model"), "Model");
const Compare = lazily(() => import("./pages/models/Compare"), "Compare");
const LineSettings = lazily(() => import("./pages/settings/LineSettings"), "LineSettings");
const People = lazily(() => import("./pages/settings/People"), "People");
const Jobs = lazily(() => import("./pages/settings/Jobs"), "Jobs");

export const router = createBrowserRouter([
  {
    errorElement: <Broken />,
    element: <Entered />,
    children: [
      { path: "/sign-in", element: <SignIn /> },
      { path: "/setup", element: <Navigate to="/sign-in" replace /> },
      {
        element: <Inside />,
        children: [
          {
            errorElement: <Broken />,
            children: [
              { path: "/", element: <Guard scope="classify" page={<Classify />} /> },
              { path: "/review", element: <Guard scope="review" page={<Review />} /> },
              { path: "/dashboard", element: <Guard scope="review" page={<Dashboard />} /> },
              { path: "/data/:tab?", element: <Guard scope="review" page={<Data />} /> },
              { path: "/training", element: <Guard scope="review" page={<Training />} /> },
              { path: "/training/:run", element: <Guard scope="review" page={<Run />} /> },
              { path: "/models", element: <Guard scope="classify" page={<Models />} /> },
              { path: "/models/compare", element: <Guard scope="review" page={<Compare />} /> },
              { path: "/models/:model", element: <Guard scope="classify" page={<Model />} /> },
              {
                path: "/settings/line",
                element: <Guard lineless scope="classify" page={<LineSettings />} />,
              },
              { path: "/settings/people", element: <Guard lineless scope="admin" page={<People />} /> },
              { path: "/settings/jobs", element: <Guard lineless scope="train" page={<Jobs />} /> },
              { path: "*", element: <NotFound /> },
            ],
          },
        ],
      },
    ],
  },
]);

function lazily<N extends string>(load: () => Promise<Record<N, ComponentType>>, name: N) {
  return lazy(async () => ({ default: (await load())[name] }));
}

function Entered() {
  const [isLinkUsed, setLinkUsed] = useState(token === null);
  if (!isLinkUsed && token) return <LinkSignIn token={token} onDone={() => setLinkUsed(true)} />;
  return <Outlet />;
}

/** The app proper: whoever may do nothing signs in first. */
function Inside() {
  const session = useSession();
  const may = useMay();
  const lines = useLines();
  if (session.isError)
    return <Whole>{<Failed error={session.error} retry={() => session.refetch()} />}</Whole>;
  if (!session.data) return <Waiting />;
  if (!may("classify")) return <Navigate to="/sign-in" replace />;
  if (lines.isError && !lines.data)
    return <Whole>{<Failed error={lines.error} retry={() => lines.refetch()} />}</Whole>;
  if (!lines.data) return <Waiting />;
  return (
    <LineProvider lines={lines.data}>
      <Shell />
    </LineProvider>
  );
}

function Guard({ scope, page, lineless }: { scope: Scope; page: ReactNode; lineless?: boolean }) {
  const may = useMay();
  const { line } = useLineChoice();
  if (!may(scope)) {
    return (
      <Empty whole title={t.notAllowed} detail={t.notAllowedDetail(scope)}>
        <Button component={Link} to="/sign-in">
          {t.signIn}
        </Button>
      </Empty>
    );
  }
  if (!line && !lineless) {
    return (
      <Empty whole title={t.noLines} detail={t.noLinesDetail}>
        <Button component={Link} to="/settings/line">
          {t.createLine}
        </Button>
      </Empty>
    );
  }
  // A page of another line starts anew.
  return (
    <Suspense fallback={<Loading rows={4} />} key={line?.name}>
      {page}
    </Suspense>
  );
}

function NotFound() {
  return (
    <Empty whole title={t.notFound} detail={t.notFoundDetail}>
      <Button component={Link} to="/">
        {t.toClassify}
      </Button>
    </Empty>
  );
}

/** Instead of the router's own error page, which shows a stack. */
function Broken() {
  const error = useRouteError();
  console.error(error);
  return (
    <Empty whole title={t.broken} detail={t.brokenDetail}>
      <Button onClick={() => window.location.reload()}>{t.reload}</Button>
    </Empty>
  );
}

function Waiting() {
  return (
    <Center mih="100vh" role="status" aria-label={words.common.loading}>
      <Loader />
    </Center>
  );
}

function Whole({ children }: { children: ReactNode }) {
  return (
    <Center mih="100vh" p="md" component="main">
      {children}
    </Center>
  );
}
