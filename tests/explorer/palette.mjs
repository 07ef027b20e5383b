// The colours of style.css: readable on their ground, and to be told apart by everybody.
// Contrast by WCAG 2; colour blindness after Machado, Oliveira and Fernandes (2009), severity 1;
// differences as CIE 1976, where about 2 is just noticeable.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { test } from "./harness.mjs";

const css = readFileSync(new URL("../../tools/explorer/style.css", import.meta.url), "utf8");
const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, body]) =>
    Object.fromEntries([...body.matchAll(/--([\w-]+): #(\w{6})/g)].map(([, name, value]) =>
        [name, [0, 2, 4].map((at) => parseInt(value.slice(at, at + 2), 16) / 255)])));
const THEMES = { light, dark };

const linear = (rgb) => rgb.map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const times = (matrix, v) => matrix.map((row) => row.reduce((sum, m, n) => sum + m * v[n], 0));
const luminance = (rgb) => times([[0.2126, 0.7152, 0.0722]], linear(rgb))[0];

function contrast(a, b) {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
}

const SIGHT = {
    all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998]],
    deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881]],
    tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900]],
};
const XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];

function lab(rgb) {
    const white = [0.9505, 1, 1.089];
    const [x, y, z] = times(XYZ, rgb.map((c) => Math.max(0, Math.min(1, c))))
        .map((v, n) => v / white[n])
        .map((t) => t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const difference = (a, b, sight) => {
    const [p, q] = [a, b].map((rgb) => lab(times(SIGHT[sight], linear(rgb))));
    return Math.hypot(...p.map((v, n) => v - q[n]));
};

const LETTERS = ["text", "muted", "vs", "g", "good", "fault", "plain"];

for (const [theme, c] of Object.entries(THEMES)) {
    test(`${theme}: letters and marks contrast by 4.5 with every ground`, () => {
        for (const name of LETTERS)
            for (const ground of ["ground", "panel"])
                assert.ok(contrast(c[name], c[ground]) >= 4.5,
                    `${name} on ${ground}: ${contrast(c[name], c[ground]).toFixed(2)}`);
        for (const soft of ["vs-soft", "g-soft", "fault-soft", "good-soft"])
            assert.ok(contrast(c.text, c[soft]) >= 7, soft);
        assert.ok(contrast(c.fault, c["g-soft"]) >= 4.5 && contrast(c.fault, c["vs-soft"]) >= 4.5);
    });

    test(`${theme}: the two stages, faults and what is well differ in everybody's eyes`, () => {
        const marks = ["vs", "g", "good", "fault"];
        for (const sight of Object.keys(SIGHT))
            for (const [n, a] of marks.entries())
                for (const b of marks.slice(n + 1)) {
                    const d = difference(c[a], c[b], sight);
                    assert.ok(d >= 18, `${a}, ${b}, ${sight}: ${d.toFixed(1)}`);
                }
    });
}
