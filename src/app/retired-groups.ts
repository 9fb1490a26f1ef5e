import type { EventLog } from '../events/event-log';
import type { Clock } from '../kernel/clock';
import type { GenerationCatalog } from '../projections/generations';

/** For so long after a generation was dropped its group is looked for by every worker that starts. */
const LOOKED_FOR_MS = 86_400_000;

/** Forgets the consumer groups of generations that nobody follows any more, as soon as the last worker has left them. */
export class RetiredGroups {
  readonly #gone = new Set<string>();

  constructor(
    private readonly app: string,
    private readonly catalog: Pick<GenerationCatalog, 'list'>,
    private readonly log: Pick<EventLog, 'topicAdmin'>,
    private readonly clock: Clock,
  ) {}

  /** @throws RefoldError `log.unreachable`, `log.access-denied` */
  async remove(): Promise<void> {
    const since = this.clock.now() - LOOKED_FOR_MS;
    const retired = (await this.catalog.list()).filter(
      ({ status, group, droppedAt }) => status === 'retired' && !this.#gone.has(group) && (droppedAt === undefined || droppedAt > since),
    );
    if (retired.length === 0) {
      return;
    }
    const topics = [...new Set(retired.flatMap((generation) => generation.topics))];
    const found = new Map((await this.log.topicAdmin.groups(`${this.app}.`, topics)).map((group) => [group.group, group.members]));
    for (const { group } of retired) {
      const members = found.get(group);
      if (members === undefined || members === 0) {
        await this.log.topicAdmin.removeGroup(group); // also where none is listed: a member that died may have left something
      }
      if (members === undefined) {
        this.#gone.add(group);
      }
    }
  }
}
