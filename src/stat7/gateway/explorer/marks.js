// Marks of a plot: eight shapes, so that colour alone tells nothing.

const SHAPES = [
  "M0-4A4 4 0 1 1 0 4A4 4 0 1 1 0-4Z",
  "M-3.6-3.6H3.6V3.6H-3.6Z",
  "M0-5L5 0 0 5-5 0Z",
  "M0-4.8L4.6 3.4H-4.6Z",
  "M0 4.8L4.6-3.4H-4.6Z",
  "M-1.5-4.6H1.5V-1.5H4.6V1.5H1.5V4.6H-1.5V1.5H-4.6V-1.5H-1.5Z",
  "M-4-2.3L0-4.6 4-2.3V2.3L0 4.6-4 2.3Z",
  "M-4.6-2L-2-4.6 0-2.6 2-4.6 4.6-2 2.6 0 4.6 2 2 4.6 0 2.6-2 4.6-4.6 2-2.6 0Z",
];

/** The outline of a shape (0 to 7) about the origin, about 9 units wide, for a path's `d`. */
export function outline(shape) {
  return SHAPES[shape];
}
