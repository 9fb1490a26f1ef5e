import { determinism } from '../support/p1/suite';

determinism({ memory: 1_000, postgres: 100, clickhouse: 50 }, 1_800_000);
