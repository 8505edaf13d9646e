/** What a line's models learn from. */

import { Tabs } from "@mantine/core";
import { useNavigate, useParams } from "react-router";
import { useMay } from "../../api/session";
import { Screen } from "../../parts/Screen";
import { useLinked } from "../../shell/line";
import { words } from "../../words";
import { Add } from "./Add";
import { Duplicates } from "./Duplicates";
import { Insights } from "./Insights";
import { Pictures } from "./Pictures";
import { Staged } from "./Staged";
import { Versions } from "./Versions";

const t = words.data;
type Tab = keyof typeof t.tabs;

const PANELS: Record<Tab, () => React.ReactNode> = {
  pictures: () => <Pictures />,
  versions: () => <Versions />,
  add: () => <Add />,
  insights: () => <Insights />,
  duplicates: () => <Duplicates />,
  staged: () => <Staged />,
};

export function Data() {
  const { tab = "pictures" } = useParams();
  const navigate = useNavigate();
  const linked = useLinked();
  const may = useMay();
  const tabs = (Object.keys(t.tabs) as Tab[]).filter((one) => one !== "add" || may("review"));
  return (
    <Screen title={t.title}>
      <Tabs
        value={tab}
        onChange={(to) => navigate(linked(to === "pictures" ? "/data" : `/data/${to}`))}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {tabs.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {t.tabs[one]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {tabs.map((one) => (
          <Tabs.Panel key={one} value={one}>
            {PANELS[one]()}
          </Tabs.Panel>
        ))}
      </Tabs>
    </Screen>
  );
}
