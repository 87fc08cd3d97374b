/** Which part of a box that scrolls is in sight, as it is scrolled and as its size changes. */
import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

export interface Sight {
  top: number;
  height: number;
}

/** The part, and what looks again at once. `height` is what is taken for the box's until it is known. */
export function useScrolled(box: RefObject<HTMLElement | null>, height: number): [Sight, () => void] {
  const [view, setView] = useState<Sight>({ top: 0, height });
  const look = () => {
    const element = box.current;
    if (element) setView({ top: element.scrollTop, height: element.clientHeight });
  };
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  return [view, look];
}
