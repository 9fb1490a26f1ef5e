import { env, require } from './common.mjs'
export const pgm = require('pg')
pgm.types.setTypeParser(20, Number)
export const pool = (max = 4) => new pgm.Pool({ connectionString: env.PGURL, max })
export const client = async (connectionString = env.PGURL) => { const c = new pgm.Client({ connectionString }); await c.connect(); return c }
