/** RFC 9457 problems: what the server says when it refuses, and what is said when no server answers. */
export interface Cause {
  field?: string | null;
  message: string;
}

export interface ProblemBody {
  type?: string;
  title: string;
  status: number;
  detail?: string | null;
  reason?: string | null;
  causes?: Cause[];
  warnings?: string[];
}

export class Problem extends Error {
  readonly body: ProblemBody;

  constructor(body: ProblemBody) {
    super(body.detail || body.title);
    this.name = "Problem";
    this.body = body;
  }

  get status(): number {
    return this.body.status;
  }
}

export const UNREACHABLE = 0;

export function unreachable(error: unknown): Problem {
  return new Problem({
    title: "The server does not answer",
    status: UNREACHABLE,
    detail: `It may be restarting, or the network is away (${error instanceof Error ? error.message : String(error)}). The page goes on by itself when it is back.`,
  });
}

export async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get("content-type") ?? "";
  if (type.includes("json")) {
    try {
      const body = (await response.json()) as Partial<ProblemBody>;
      if (typeof body.title === "string")
        return new Problem({ ...body, title: body.title, status: response.status });
    } catch {
      // Said below: what came is not what the server sends.
    }
  }
  return new Problem({
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    detail: "Something between this browser and the server answered; it is not the server's own word.",
  });
}

/** Whatever was thrown, as a problem that can be shown. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem({
    title: "The dashboard failed",
    status: -1,
    detail: error instanceof Error ? error.message : String(error),
  });
}
