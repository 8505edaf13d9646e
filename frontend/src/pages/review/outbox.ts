/** Decisions on their way: one request at a time, in the order they were made, so that an undo never overtakes.
 *
 * What is decided while a request is under way goes out together in the next one.
 */

import type { Decided, Decision } from "./api";

export interface Server {
  decide: (decisions: Decision[]) => Promise<Decided>;
  undo: (decisions: string[]) => Promise<unknown>;
}

interface Decide {
  decisions: Decision[];
  resolve: (answer: Decided) => void;
  reject: (problem: unknown) => void;
}

interface Undo {
  /** Ids of decisions that went before; none where the server refused all of them. */
  of: Promise<string[]>;
  resolve: () => void;
  reject: (problem: unknown) => void;
}

// As many as the server takes in one request.
const MOST = 500;

export class Outbox {
  private readonly waiting: (Decide | Undo)[] = [];
  private isSending = false;

  constructor(private readonly server: Server) {}

  /** What became of these decisions, once the server has them. */
  decide(decisions: Decision[]): Promise<Decided> {
    return new Promise((resolve, reject) => this.put({ decisions, resolve, reject }));
  }

  undo(of: Promise<string[]>): Promise<void> {
    return new Promise((resolve, reject) => this.put({ of, resolve, reject }));
  }

  private put(one: Decide | Undo): void {
    this.waiting.push(one);
    if (!this.isSending) void this.send();
  }

  private async send(): Promise<void> {
    this.isSending = true;
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      if ("of" in next) await this.sendUndo(next);
      else await this.sendDecisions([next, ...this.more(next.decisions.length)]);
    }
    this.isSending = false;
  }

  /** The decisions right behind, as many as fit. */
  private more(size: number): Decide[] {
    const found: Decide[] = [];
    let total = size;
    for (let next = this.waiting[0]; next && "decisions" in next; next = this.waiting[0]) {
      total += next.decisions.length;
      if (total > MOST) break;
      found.push(next);
      this.waiting.shift();
    }
    return found;
  }

  private async sendDecisions(group: Decide[]): Promise<void> {
    try {
      const answer = await this.server.decide(group.flatMap((one) => one.decisions));
      for (const one of group) one.resolve(partOf(answer, one.decisions));
    } catch (problem) {
      for (const one of group) one.reject(problem);
    }
  }

  private async sendUndo(one: Undo): Promise<void> {
    try {
      const ids = await one.of;
      if (ids.length > 0) await this.server.undo(ids);
      one.resolve();
    } catch (problem) {
      one.reject(problem);
    }
  }
}

function partOf(answer: Decided, decisions: Decision[]): Decided {
  const items = new Set(decisions.map((one) => one.item));
  return {
    decided: answer.decided.filter((one) => items.has(one.item)),
    refused: answer.refused.filter((one) => items.has(one.item)),
  };
}
