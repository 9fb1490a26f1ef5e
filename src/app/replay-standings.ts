import { generationFacts, type GenerationCatalog } from '../projections/generations';
import type { RebuiltGeneration, ReplayStanding } from '../lag-monitor/replay-standing';
import type { ReplayCoordinator } from '../replay/coordinator';
import type { ReplayStatus } from '../replay/replay';
import { REPLAY_STATES, isOpen } from '../replay/states';

/** Every replay that is not over, for the exporter. */
export const replayStandings = async (
  replays: Pick<ReplayCoordinator, 'list' | 'status'>,
  catalog: Pick<GenerationCatalog, 'list'>,
): Promise<readonly ReplayStanding[]> => {
  const open = (await replays.list()).filter(({ state }) => isOpen(state));
  const generations = open.length === 0 ? [] : await catalog.list();
  const rebuilt = ({ progress }: ReplayStatus): readonly RebuiltGeneration[] =>
    progress.flatMap(({ side, generationId, share, done, total, ratePerSecond, rows }) => {
      const generation = generations.find(({ id }) => id === generationId);
      return side === 'from' || generation === undefined
        ? []
        : [{ labels: generationFacts(generation), share, eventsLeft: total - done, eventsPerSecond: ratePerSecond, rows }];
    });
  const standings: ReplayStanding[] = [];
  for (const { id } of open) {
    const status = await replays.status(id);
    standings.push({ id, state: status.state, states: REPLAY_STATES, isHalted: status.halted !== undefined, generations: rebuilt(status) });
  }
  return standings;
};
