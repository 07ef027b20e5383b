// Tests by name, run one after the other. A file calls test(); run.mjs calls run() at the end.

const tests = [];

export const test = (name, act) => tests.push({ name, act });

/** Run them all; prints each failure; returns how many failed, and how many there were. */
export async function run() {
    let failed = 0;
    for (const { name, act } of tests)
        try {
            await act();
        } catch (error) {
            failed++;
            console.log(`FAILED ${name}\n${error.stack}`);
        }
    return { failed, ran: tests.length };
}
