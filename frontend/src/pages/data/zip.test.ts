import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { zipOf } from "./zip";

test("Python reads what is packed, names and bytes", async () => {
  const files = [
    { path: "Glass/größe.txt", file: new File(["hello"], "größe.txt") },
    { path: "Metal/b.bin", file: new File([new Uint8Array([0, 255, 7])], "b.bin") },
  ];
  const done: number[] = [];

  const blob = await zipOf(files, (n) => done.push(n));

  const path = join(mkdtempSync(join(tmpdir(), "zip-")), "packed.zip");
  writeFileSync(path, new Uint8Array(await blob.arrayBuffer()));
  const script =
    "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; " +
    "print({n: list(z.read(n)) for n in z.namelist()})";
  const said = execFileSync("python3", ["-c", script, path], { encoding: "utf8" });
  expect(said.trim()).toBe("{'Glass/größe.txt': [104, 101, 108, 108, 111], 'Metal/b.bin': [0, 255, 7]}");
  expect(done).toEqual([1, 2]);
});
