import { Store, type Txn } from "./store";

/** One session. */
export interface Session<T> {
  id: number;
  close(): void;
}

export type Id = string | number;

export enum State {
  Open,
  Closed,
}

export const LIMIT = 16;

// Opens one.
export const open = async (id: Id): Promise<Session<Id>> => {
  return await connect(id);
};

export abstract class Pool extends Base implements Closer {
  private size = 3;
  handler = () => {
    this.run();
  };

  constructor(readonly store: Store) {
    super();
  }

  @logged()
  get label(): string {
    return `${this.size}`;
  }

  abstract drain(): void;
}

declare module "x" {
  function inside(): void;
}

namespace Util.Text {
  export function trim(s: string) {
    return s.trim();
  }
}

export default function main() {
  new Pool(store).drain();
}
