/** What a line is: its settings, its classes, its policy; and new lines. */

import { Button, Stack, Tabs } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useSearchParams } from "react-router";
import { useMay } from "../../api/session";
import { Screen } from "../../parts/Screen";
import { Empty } from "../../parts/States";
import { useLineChoice } from "../../shell/line";
import { words } from "../../words";
import { About } from "./About";
import { Classes } from "./Classes";
import { NewLine } from "./NewLine";
import { PolicyPanel } from "./PolicyPanel";

const t = words.settings;

export function LineSettings() {
  const { line } = useLineChoice();
  const may = useMay();
  const [search, setSearch] = useSearchParams();
  const [creating, dialog] = useDisclosure();
  return (
    <Screen
      title={t.lines.title}
      actions={may("admin") && <Button onClick={dialog.open}>{t.lines.newLine}</Button>}
    >
      {line ? (
        <Tabs
          value={search.get("tab") ?? "policy"}
          onChange={(tab) =>
            setSearch((now) => {
              now.set("tab", tab ?? "policy");
              return now;
            })
          }
          keepMounted={false}
        >
          <Tabs.List mb="md">
            {may("review") && <Tabs.Tab value="policy">{t.policy.title}</Tabs.Tab>}
            <Tabs.Tab value="classes">{t.classes.title}</Tabs.Tab>
            <Tabs.Tab value="line">{t.lines.about}</Tabs.Tab>
          </Tabs.List>
          {may("review") && (
            <Tabs.Panel value="policy">
              <PolicyPanel />
            </Tabs.Panel>
          )}
          <Tabs.Panel value="classes">
            <Classes />
          </Tabs.Panel>
          <Tabs.Panel value="line">
            <About />
          </Tabs.Panel>
        </Tabs>
      ) : (
        <Stack>
          <Empty title={words.shell.noLines} detail={words.shell.noLinesDetail} />
        </Stack>
      )}
      {creating && <NewLine onClose={dialog.close} />}
    </Screen>
  );
}
