import type { EventLog } from '../events/event-log';
import type { GenerationCatalog } from '../projections/generations';

/** Forgets the consumer groups of generations that nobody follows any more, as soon as the last worker has left them. */
export class RetiredGroups {
  readonly #gone = new Set<string>();

  constructor(
    private readonly app: string,
    private readonly catalog: Pick<GenerationCatalog, 'list'>,
    private readonly log: Pick<EventLog, 'topicAdmin'>,
  ) {}

  /** @throws RefoldError `log.unreachable`, `log.access-denied` */
  async remove(): Promise<void> {
    const retired = (await this.catalog.list()).filter(({ status, group }) => status === 'retired' && !this.#gone.has(group));
    if (retired.length === 0) {
      return;
    }
    const topics = [...new Set(retired.flatMap((generation) => generation.topics))];
    const found = new Map((await this.log.topicAdmin.groups(`${this.app}.`, topics)).map((group) => [group.group, group.members]));
    for (const { group } of retired) {
      const members = found.get(group);
      if (members === undefined) {
        this.#gone.add(group);
      } else if (members === 0) {
        await this.log.topicAdmin.removeGroup(group);
      }
    }
  }
}
