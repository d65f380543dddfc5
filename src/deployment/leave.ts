// A silo leaves for good: it says so in its own name, and its folder remembers.

import { randomUUID } from 'node:crypto';
import { connectNats } from '../net/connect.ts';
import { loadIdentity } from '../net/identity.ts';
import { siloInbox } from '../net/nats-permissions.ts';
import { sayLeft } from '../net/silo-agent.ts';
import { parseSpec } from '../experiments/parse-spec.ts';
import { readJson } from '../storage/atomic-file.ts';
import { requireSiloSettings, saveSiloSettings, type SiloLayout } from './silo-home.ts';
import { whileWorkingIn } from './work-lock.ts';
