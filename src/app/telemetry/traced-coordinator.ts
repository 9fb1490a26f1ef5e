import { ReplayCoordinator } from '../../replay/coordinator';
import { inReplaySpan } from './tracing';

/** A coordinator whose commands are spans. */
export class TracedCoordinator extends ReplayCoordinator {
  override start(...given: Parameters<ReplayCoordinator['start']>): ReturnType<ReplayCoordinator['start']> {
    return inReplaySpan('start', { 'refold.projections': given[0].projections.map(({ name }) => name) }, () => super.start(...given));
  }

  override advance(id: number): ReturnType<ReplayCoordinator['advance']> {
    return inReplaySpan('advance', { 'refold.replay': id }, () => super.advance(id));
  }

  override runUntil(...given: Parameters<ReplayCoordinator['runUntil']>): ReturnType<ReplayCoordinator['runUntil']> {
    return inReplaySpan('run', { 'refold.replay': given[0], 'refold.goal': given[1] }, () => super.runUntil(...given));
  }

  override cutover(...given: Parameters<ReplayCoordinator['cutover']>): ReturnType<ReplayCoordinator['cutover']> {
    return inReplaySpan('cutover', { 'refold.replay': given[0] }, () => super.cutover(...given));
  }

  override verify(...given: Parameters<ReplayCoordinator['verify']>): ReturnType<ReplayCoordinator['verify']> {
    return inReplaySpan('verify', { 'refold.replay': given[0] }, () => super.verify(...given));
  }

  override rollback(...given: Parameters<ReplayCoordinator['rollback']>): ReturnType<ReplayCoordinator['rollback']> {
    return inReplaySpan('rollback', { 'refold.replay': given[0] }, () => super.rollback(...given));
  }

  override retire(...given: Parameters<ReplayCoordinator['retire']>): ReturnType<ReplayCoordinator['retire']> {
    return inReplaySpan('retire', { 'refold.replay': given[0] }, () => super.retire(...given));
  }

  override abort(...given: Parameters<ReplayCoordinator['abort']>): ReturnType<ReplayCoordinator['abort']> {
    return inReplaySpan('abort', { 'refold.replay': given[0] }, () => super.abort(...given));
  }
}
