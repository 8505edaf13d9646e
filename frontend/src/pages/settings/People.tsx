/** Who gets in: people, keys, and what was changed by whom. */

import { Tabs } from "@mantine/core";
import { Screen } from "../../parts/Screen";
import { words } from "../../words";
import { Audit } from "./Audit";
import { KeyList } from "./KeyList";
import { PeopleList } from "./PeopleList";

const t = words.settings.people;

export function People() {
  return (
    <Screen title={t.title}>
      <Tabs defaultValue="people" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="people">{t.people}</Tabs.Tab>
          <Tabs.Tab value="keys">{t.keys}</Tabs.Tab>
          <Tabs.Tab value="audit">{t.audit}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="people">
          <PeopleList />
        </Tabs.Panel>
        <Tabs.Panel value="keys">
          <KeyList />
        </Tabs.Panel>
        <Tabs.Panel value="audit">
          <Audit />
        </Tabs.Panel>
      </Tabs>
    </Screen>
  );
}
