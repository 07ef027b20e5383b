// Run the explorer's tests; the page's, too, if --page FILE --modules DIR name what they need.
// Its one invariant: status 0 only if tests ran and all passed.

import { run } from "./harness.mjs";
import "./palette.mjs";
import "./units.mjs";

const [page, modules, shots] = process.argv.slice(2);
let close = async () => {};
if (page)
    close = (await import("./page.mjs")).add(page, modules, shots);

const { ran, failed } = await run();
await close();
console.log(`explorer: ${ran - failed} passed, ${failed} failed`);
process.exit(ran && !failed ? 0 : 1);
