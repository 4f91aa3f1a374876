// Print what @asyncapi/parser says of a document. Arguments: the folder in which the parser is installed, the document.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, path] = process.argv.slice(2);
const { Parser } = createRequire(`${folder}/`)("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
const errors = diagnostics.filter((each) => each.severity < 2).map((each) => `${each.path.join(".")}: ${each.message}`);
const operations = document?.operations().all() ?? [];
console.log(
  JSON.stringify({
    errors,
    channels: document?.channels().all().map((each) => each.id()),
    operations: operations.map((each) => [each.id(), each.action(), each.messages().all().length]),
    reply: operations.find((each) => each.id() === "sendCommand")?.reply()?.address()?.location(),
  }),
);
