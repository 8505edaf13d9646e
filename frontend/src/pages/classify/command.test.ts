import { expect, test } from "vitest";
import { curlLine } from "./command";

const waste = { name: "waste", default: true };

test("a plain name needs no quotes, and the default line answers at /predict", () => {
  expect(curlLine(waste, "a-1.jpg", "http://host")).toBe("curl -F image=@a-1.jpg http://host/predict");
});

test("another line is named in the path", () => {
  const line = { name: "cats-dogs", default: false };
  expect(curlLine(line, "a.jpg", "http://host")).toBe(
    "curl -F image=@a.jpg http://host/api/v1/lines/cats-dogs/classify",
  );
});

test("what the shell or curl would misread is quoted", () => {
  expect(curlLine(waste, `it's "a;b".jpg`, "")).toBe(`curl -F 'image=@"it'\\''s \\"a;b\\".jpg"' /predict`);
});
