import { Modal, Table } from "@mantine/core";
import { words } from "../../words";

const t = words.review;

/** What each key does. */
export function Help({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title={t.helpTitle} size="lg">
      {/* The key that opened it closes it. */}
      <Table verticalSpacing={5} onKeyDown={(event) => event.key === "?" && onClose()}>
        <Table.Tbody>
          {t.keys.map(([key, does]) => (
            <Table.Tr key={key}>
              <Table.Th scope="row" w="38%">
                <kbd>{key}</kbd>
              </Table.Th>
              <Table.Td>{does}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
