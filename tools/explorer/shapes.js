// The marks of the timeline. Each kind of event has a shape of its own.

const R = 4.5;

/** Polygons around (0, 0), in units of R. */
const POLYGONS = {
    up: [[0, -1], [1, 1], [-1, 1]],
    down: [[-1, -1], [1, -1], [0, 1]],
    diamond: [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
    square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
    bar: [[-0.35, -1.6], [0.35, -1.6], [0.35, 1.6], [-0.35, 1.6]],
    pen: [[-1, 1.2], [-0.6, -0.2], [1, -1.4], [1.2, -0.8], [0.2, 0.6]],
    cross: [[-1, -0.5], [-0.5, -1], [0, -0.5], [0.5, -1], [1, -0.5], [0.5, 0], [1, 0.5], [0.5, 1],
        [0, 0.5], [-0.5, 1], [-1, 0.5], [-0.5, 0]],
    flag: [[-0.8, -1.4], [1.1, -0.7], [-0.4, 0], [-0.4, 1.4], [-0.8, 1.4]],
    box: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
};

const HOLLOW = new Set(["ring", "box"]);

export function drawShape(draw, shape, x, y, colour) {
    draw.beginPath();
    const points = POLYGONS[shape];
    if (points)
        points.forEach(([px, py], n) => draw[n ? "lineTo" : "moveTo"](x + px * R, y + py * R));
    else
        draw.arc(x, y, R, 0, 2 * Math.PI);
    draw.closePath();
    if (HOLLOW.has(shape)) {
        draw.strokeStyle = colour;
        draw.lineWidth = 2;
        draw.stroke();
        return;
    }
    draw.fillStyle = colour;
    draw.fill();
}

/** A hatched band, where events were lost. */
export function hatch(draw, x, y, w, h, colour) {
    draw.save();
    draw.beginPath();
    draw.rect(x, y, w, h);
    draw.clip();
    draw.strokeStyle = colour;
    draw.lineWidth = 1;
    for (let at = x - h; at < x + w; at += 8) {
        draw.beginPath();
        draw.moveTo(at, y + h);
        draw.lineTo(at + h, y);
        draw.stroke();
    }
    draw.strokeRect(x, y - 2, w, h + 4);
    draw.restore();
}
