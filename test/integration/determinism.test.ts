import { determinism } from '../support/p1/suite';

determinism({ memory: 100, postgres: 10, clickhouse: 5 }, 120_000);
