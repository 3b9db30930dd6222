// Vectors of numbers: what an embedding model answers, how alike two are, and where they lie.

const MAX_SWEEPS = 60;
const PRECISION = 1e-12;

/** The numbers of an embedding: a list as it is, or base64 of little-endian 32-bit floats. */
export function decodeVector(embedding) {
  if (typeof embedding !== "string") return embedding;
  const bytes = Uint8Array.from(atob(embedding), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}

export function dot(a, b) {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += a[index] * b[index];
  return sum;
}

/** From -1 to 1; 0 where one of them has no direction. */
export function cosine(a, b) {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths === 0 ? 0 : Math.max(-1, Math.min(1, dot(a, b) / lengths));
}

/** The cosine of each with each. */
export function cosines(vectors) {
  return vectors.map((a) => vectors.map((b) => cosine(a, b)));
}

/**
 * The first two principal components: `points`, one `[x, y]` for each vector, around 0, and
 * `shares`, how much of all variance each axis shows (0 to 1).
 */
export function project(vectors) {
  const centred = centre(vectors);
  // As many rows as texts, which are fewer than dimensions; its eigenvectors give the same points.
  const gram = centred.map((a) => centred.map((b) => dot(a, b)));
  const found = eigen(gram).sort((a, b) => b.value - a.value);
  const total = found.reduce((sum, { value }) => sum + Math.max(0, value), 0);
  const axes = [0, 1].map((axis) => found[axis] ?? { value: 0, vector: vectors.map(() => 0) });
  const columns = axes.map(({ value, vector }) => column(vector, Math.sqrt(Math.max(0, value))));
  return {
    points: vectors.map((_, row) => columns.map((values) => values[row])),
    shares: axes.map(({ value }) => (total > PRECISION ? Math.max(0, value) / total : 0)),
  };
}

function column(vector, length) {
  // An eigenvector's sign means nothing: let the largest number be positive.
  const largest = vector.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  return vector.map((value) => value * length * (largest < 0 ? -1 : 1));
}

function centre(vectors) {
  const mean = vectors[0].map((_, index) => vectors.reduce((sum, vector) => sum + vector[index], 0) / vectors.length);
  return vectors.map((vector) => vector.map((value, index) => value - mean[index]));
}

/** Eigenvalues and unit eigenvectors of a symmetric matrix, by Jacobi's rotations. */
function eigen(matrix) {
  const size = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, row) => a.map((__, index) => Number(row === index)));
  const scale = Math.max(...a.map((row, index) => Math.abs(row[index])), 0);
  for (let sweep = 0; sweep < MAX_SWEEPS && largestBeside(a) > PRECISION * scale; sweep += 1) {
    for (let p = 0; p < size; p += 1) for (let q = p + 1; q < size; q += 1) rotate(a, v, p, q);
  }
  return a.map((row, index) => ({ value: row[index], vector: v.map((line) => line[index]) }));
}

function largestBeside(a) {
  let largest = 0;
  for (let p = 0; p < a.length; p += 1) {
    for (let q = p + 1; q < a.length; q += 1) largest = Math.max(largest, Math.abs(a[p][q]));
  }
  return largest;
}

/** Make a[p][q] zero. */
function rotate(a, v, p, q) {
  if (a[p][q] === 0) return;
  const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cos = 1 / Math.sqrt(tangent * tangent + 1);
  const sin = tangent * cos;
  for (const row of [...a, ...v]) turn(row, p, q, cos, sin);
  for (let k = 0; k < a.length; k += 1) {
    const [top, bottom] = [a[p][k], a[q][k]];
    a[p][k] = cos * top - sin * bottom;
    a[q][k] = sin * top + cos * bottom;
  }
}

function turn(row, p, q, cos, sin) {
  const [left, right] = [row[p], row[q]];
  row[p] = cos * left - sin * right;
  row[q] = sin * left + cos * right;
}
