// Numbers as Gnomon's JSON has them: registers and addresses are strings, "0x...", of 64 bits.

const HEX = /^0x[0-9a-f]{1,16}$/i;

/** The BigInt of "0x..."; null where there is none; an error where it is something else. */
export function address(text) {
    if (text === null || text === undefined)
        return null;
    if (typeof text !== "string" || !HEX.test(text))
        throw new Error(`${JSON.stringify(text)} is no address, "0x..."`);
    return BigInt(text);
}

export function hex(value) {
    return value === null ? "none" : `0x${value.toString(16)}`;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 2097152n as "2 MiB". */
export function size(bytes) {
    let unit = 0;
    while (bytes >= 1024n && bytes % 1024n === 0n) {
        bytes /= 1024n;
        unit++;
    }
    return `${bytes} ${UNITS[unit]}`;
}

/** "1 reference", "15 references". */
export function count(n, what) {
    return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}
