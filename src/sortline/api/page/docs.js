/** API documentation by Swagger UI, whose files come from the installed package swagger_ui_bundle. */

show();

async function show() {
  const place = document.getElementById("docs");
  try {
    const response = await fetch("/api/openapi.json");
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    SwaggerUIBundle({
      spec: asVersion30(await response.json()),
      domNode: place,
      presets: [SwaggerUIBundle.presets.apis],
      layout: "BaseLayout",
      deepLinking: true,
      validatorUrl: null, // the default asks a server of the vendor
      tryItOutEnabled: true,
      displayRequestDuration: true,
      defaultModelsExpandDepth: 0,
    });
  } catch (problem) {
    place.textContent = `The API description could not be loaded: ${problem.message}`;
  }
}

/** The document in the words of OpenAPI 3.0: the packaged Swagger UI (4.15) refuses 3.1, which FastAPI writes. */
function asVersion30(document) {
  return { ...rewrite(document), openapi: "3.0.3" };
}

function rewrite(node) {
  if (Array.isArray(node)) return node.map(rewrite);
  if (node === null || typeof node !== "object") return node;
  const out = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, rewrite(value)]));
  if (Array.isArray(out.anyOf)) Object.assign(out, withoutNull(out));
  if (out.type === "string" && (out.contentMediaType || out.contentEncoding)) out.format = "binary"; // a file chooser
  if (Array.isArray(out.examples)) out.example = out.examples[0];
  if ("const" in out && typeof out.const !== "object") out.enum = [out.const];
  if (typeof out.exclusiveMinimum === "number") Object.assign(out, { minimum: out.exclusiveMinimum, exclusiveMinimum: true });
  if (typeof out.exclusiveMaximum === "number") Object.assign(out, { maximum: out.exclusiveMaximum, exclusiveMaximum: true });
  return out;
}

/** anyOf [X, null] becomes X, nullable. */
function withoutNull(schema) {
  const kinds = schema.anyOf.filter((kind) => kind.type !== "null");
  if (kinds.length === schema.anyOf.length) return {};
  if (kinds.length > 1 || kinds[0].$ref) return { anyOf: kinds, nullable: true };
  return { anyOf: undefined, nullable: true, ...kinds[0] };
}
