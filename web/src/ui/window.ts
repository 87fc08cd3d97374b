/** Which rows of a long table are in the document: those that can be seen, and some beyond. */
export interface Window {
  first: number;
  /** One past the last. */
  end: number;
  before: number;
  after: number;
}

const BEYOND = 12;

export function visible(total: number, rowHeight: number, top: number, height: number): Window {
  const first = Math.min(Math.max(0, Math.floor(top / rowHeight) - BEYOND), Math.max(0, total - 1));
  const end = Math.min(total, Math.ceil((top + height) / rowHeight) + BEYOND);
  return {
    first: total ? first : 0,
    end,
    before: total ? first * rowHeight : 0,
    after: Math.max(0, total - end) * rowHeight,
  };
}
