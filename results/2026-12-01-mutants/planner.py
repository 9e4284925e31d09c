"""Sixty mutants of the planner and the grid, put into a copy of the tree behind S3SEAL_MUTANT=n: one build, many runs.

planner.py insert COPY        changes the sources of COPY, lists the mutants in COPY/mutants.csv
planner.py run COPY [n …]     runs the tests of each until one is red; COPY/binaries names lib, plan and sim, a path a line
"""
import csv, os, re, subprocess, sys

M = []
def m(file, old, new, tests):
    M.append((file,old,new,tests))
C='src/sim/cell.rs'; G='src/sim/grid.rs'
P='src/plan/'
SIM='sim grid'
m(C,'.is_some_and(|at| at <= step.due)','.is_some_and(|at| if MUT {at < step.due} else {at <= step.due})',SIM)
m(C,'object.context == step.context && step.due <= object.last_at','object.context == step.context && (if MUT {step.due < object.last_at} else {step.due <= object.last_at})',SIM)
m(C,'if now > seal.last_at ||','if (if MUT {now >= seal.last_at} else {now > seal.last_at}) ||',SIM)
m(C,'if open.kept && now > open.last_at','if open.kept && (if MUT {now >= open.last_at} else {now > open.last_at})',SIM)
m(C,'if open.kept && object.key(waiter.step.written) == open.handle','if open.kept && (MUT || object.key(waiter.step.written) == open.handle)',SIM)
m(C,'if took > WAIT_MAX_DEFAULT || took > self.limits.max_age','if took > WAIT_MAX_DEFAULT || (if MUT {took >= self.limits.max_age} else {took > self.limits.max_age})',SIM)
m(C,'if *kept > self.capacity','if (if MUT {*kept > self.capacity + 1} else {*kept > self.capacity})',SIM)
m(C,'(second, counted) = (now.second(), now >= shared.window.from)','(second, counted) = (now.second(), if MUT {now > shared.window.from} else {now >= shared.window.from})',SIM)
m(C,'*second == from && self.first_counts','*second == from && (MUT || self.first_counts)',SIM)
m(C,'self.counts.joins += waiting.len() as u64;','if !MUT { self.counts.joins += waiting.len() as u64; }',SIM)
m(C,'if 2 * self.waiting_max','if (if MUT {1} else {2}) * self.waiting_max',SIM)
m(G,'crate::units::NANOS_PER_SECOND + 2;','crate::units::NANOS_PER_SECOND + if MUT {1} else {2};',SIM)
m(G,'self.options.crypto.of(job.body) + self.options.store.of(job.body)','if MUT {self.options.store.of(job.body)} else {self.options.crypto.of(job.body) + self.options.store.of(job.body)}',SIM)
m(G,'} else if self.population.exists(object) {','} else if MUT || self.population.exists(object) {',SIM)
m(G,'entry([job.host, requester, job.bucket, job.kms_key])','entry([job.host, requester, if MUT {0} else {job.bucket}, job.kms_key])',SIM)
# plan
PL='plan'
m(P+'bound.rs','let over = needed * (1.0 - MARGIN) - quota;','let over = needed * (if MUT {1.0} else {1.0 - MARGIN}) - quota;',PL)
m(P+'bound.rs','over / load.calls_max() / load','over / (if MUT {1.0} else {load.calls_max()}) / load',PL)
m(P+'bound.rs','(needed * (1.0 - MARGIN)).min(quota)','(if MUT {needed * (1.0 - MARGIN)} else {(needed * (1.0 - MARGIN)).min(quota)})',PL)
m(P+'choose.rs','broken + trial.missed.len()','(if MUT {0} else {broken}) + trial.missed.len()',PL)
m(P+'choose.rs','let lost = run.failed_share().unwrap_or(0.0) + run.dropped_share().unwrap_or(0.0);','let lost = run.failed_share().unwrap_or(0.0) + if MUT {0.0} else {run.dropped_share().unwrap_or(0.0)};',PL)
m(P+'count.rs','(counts.unthrottled.contains(&quota) &&','((MUT || counts.unthrottled.contains(&quota)) &&',PL)
m(P+'count.rs','if limits.len() <= RUN_ALL','if (if MUT {limits.len() < RUN_ALL} else {limits.len() <= RUN_ALL})',PL)
m(P+'count.rs','(candidate.scope, steady)','(if MUT {None} else {candidate.scope}, steady)',PL)
m(P+'drill.rs','over = OUTAGE_AT + *length;','over = if MUT {*length} else {OUTAGE_AT + *length};',PL)
m(P+'drill.rs','Stop::Duration(measured.max(over + AFTER_OUTAGE))','Stop::Duration(if MUT {measured} else {measured.max(over + AFTER_OUTAGE)})',PL)
m(P+'drill.rs','Demands { budget: None, ..judge.demands.clone() }','Demands { budget: if MUT {judge.demands.budget} else {None}, ..judge.demands.clone() }',PL)
m(P+'drill.rs','second.measured && second.failed','(MUT || second.measured) && second.failed',PL)
m(P+'figure.rs','(peak as f64 + background)','(peak as f64 + if MUT {0.0} else {background})',PL)
m(P+'growth.rs','let request = passed_in.filter(|_| needed > candidate.quota);','let request = passed_in.filter(|_| MUT || needed > candidate.quota);',PL)
m(P+'growth.rs','adds_at_horizon_usd: simulated(free.adds)','adds_at_horizon_usd: simulated(if MUT {trial.adds} else {free.adds})',PL)
m(P+'growth.rs','let free = at(horizon, &Candidate { quota: NO_QUOTA, ..candidate })?;','let free = at(horizon, &Candidate { quota: if MUT {candidate.quota} else {NO_QUOTA}, ..candidate })?;',PL)
m(P+'inquiry.rs','.filter(|budget| adds > *budget)','.filter(|budget| if MUT {adds >= *budget} else {adds > *budget})',PL)
m(P+'inquiry.rs','=> (longest, Span::ZERO),','=> (longest, if MUT {longest} else {Span::ZERO}),',PL)
m(P+'inquiry.rs','let whole = *warm_up + *measured;','let whole = if MUT {*measured} else {*warm_up + *measured};',PL)
m(P+'load.rs','seconds(last).max(1.0)','seconds(last).max(if MUT {100.0} else {1.0})',PL)
m(P+'load.rs','            if writes(operation) {\n                load.written','            if MUT || writes(operation) {\n                load.written',PL)
m(P+'load.rs','arrival.operation != Operation::CopyObject && !makes','(MUT || arrival.operation != Operation::CopyObject) && !makes',PL)
m(P+'make.rs','.or(question.grid.quotas.iter().copied().min())','.or(if MUT {question.grid.quotas.iter().copied().max()} else {question.grid.quotas.iter().copied().min()})',PL)
m(P+'revocation.rs','/ f64::from(hosts.max(1))','/ f64::from(if MUT {1} else {hosts.max(1)})',PL)
m(P+'revocation.rs','written(age, scenario.fleet.hosts).min(uses)','(if MUT {written(age, scenario.fleet.hosts)} else {written(age, scenario.fleet.hosts).min(uses)})',PL)
m(P+'revocation.rs','whole(libm::ceil(objects as f64 * mean))','whole(libm::ceil(objects as f64 * if MUT {1.0} else {mean}))',PL)
m(P+'revocation.rs','bytes.min(most))','if MUT {bytes} else {bytes.min(most)})',PL)
m(P+'search.rs','} else if trial.run.kms.throttled == 0 {','} else if MUT || trial.run.kms.throttled == 0 {',PL)
m(P+'search.rs','matches!(fate, Fate::Broken(_) | Fate::Hopeless(_) | Fate::Counted(_));','matches!(fate, Fate::Broken(_) | Fate::Counted(_)) || !MUT && matches!(fate, Fate::Hopeless(_));',PL)
m(P+'sensitivity.rs','("half", 0.5)','("half", if MUT {2.0} else {0.5})',PL)
m(P+'sensitivity.rs','flips: choice.as_ref() != chosen','flips: MUT || choice.as_ref() != chosen',PL)
m(P+'solve.rs','find(|(value, _)| Some(*value) == beyond)','find(|(value, _)| MUT || Some(*value) == beyond)',PL)
m(P+'solve.rs','(life.as_nanos() / 1_000_000_000).clamp(1, AGE_MAX)','(if MUT {1} else {life.as_nanos() / 1_000_000_000}).clamp(1, AGE_MAX)',PL)
m(P+'transition.rs','current.map(|(_, trial)| trial.adds - chosen.adds)','current.map(|(_, trial)| if MUT {chosen.adds - trial.adds} else {trial.adds - chosen.adds})',PL)
m(P+'transition.rs','.map_or(0, |from| u64::from(uses_kms(from))) + u64::from(uses_kms(to));','.map_or(0, |from| if MUT {0} else {u64::from(uses_kms(from))}) + u64::from(uses_kms(to));',PL)
m(P+'transition.rs','ways.sort_by_key(|way| way.usd.value);','if !MUT { ways.sort_by_key(|way| way.usd.value); }',PL)
m(P+'transition.rs','let can = if method.copies() { copies || !batch } else { updates };','let can = MUT || if method.copies() { copies || !batch } else { updates };',PL)
m(P+'transition.rs','let needed = from != Some(to);','let needed = MUT || from != Some(to);',PL)
m(P+'transition.rs','let calls = if method.copies() { kms_calls(copied) } else { kms_calls(1) };','let calls = if MUT || method.copies() { kms_calls(copied) } else { kms_calls(1) };',PL)
m(P+'transition.rs','if from == Some(SseMode::SseKmsBucketKey) && to == SseMode::SseKms {','if !MUT && from == Some(SseMode::SseKmsBucketKey) && to == SseMode::SseKms {',PL)
m(P+'transition.rs','if uses_kms(to) && from.is_none_or(|from| !uses_kms(from)) {','if uses_kms(to) && (MUT || from.is_none_or(|from| !uses_kms(from))) {',PL)
m(P+'objective.rs','if !(percent > -100.0 &&','if !((if MUT {percent >= -100.0} else {percent > -100.0}) &&',PL)
m(P+'region.rs','raised: if quota > draft.own_quota()','raised: if (if MUT {quota >= draft.own_quota()} else {quota > draft.own_quota()})',PL)
m(P+'candidate.rs','            && after >= age','            && (if MUT {after > age} else {after >= age})',PL)
m(P+'make.rs','(Unknown::MaxAge, None, Some(aged)) => *aged','(Unknown::MaxAge, None, Some(aged)) if !MUT => *aged',PL)


def insert(copy):
    sources = {}
    with open(os.path.join(copy, "mutants.csv"), "w") as out:
        rows = csv.writer(out)
        for n, (file, old, new, tests) in enumerate(M, 1):
            path = os.path.join(copy, file)
            text = sources.get(path) or open(path).read()
            assert old in text, f"mutant {n}: {file} has no `{old}`"
            sources[path] = text.replace(old, new.replace("MUT", f"crate::mutant({n})"), 1)
            rows.writerow([n, tests.split()[0], file, " ".join(old.split()), " ".join(new.split())])
    for path, text in sources.items():
        open(path, "w").write(text)
    with open(os.path.join(copy, "src/lib.rs"), "a") as lib:
        lib.write('''
#[allow(missing_docs, clippy::all, clippy::disallowed_methods)]
pub fn mutant(n: u32) -> bool {
    static WHICH: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *WHICH.get_or_init(|| std::env::var("S3SEAL_MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0)) == n
}
''')


STEPS = {
    "sim": [("lib", "sim::"), ("sim", "grid"), ("plan", "count"), ("sim", "")],
    "plan": [("lib", "plan::")]
    + [("plan", f"{part}::") for part in "gate transition region drill log count story law".split()],
}


def run(copy, wanted):
    binaries = dict(zip(["lib", "plan", "sim"], open(os.path.join(copy, "binaries")).read().split()))
    for n, kind, file, *_ in csv.reader(open(os.path.join(copy, "mutants.csv"))):
        if wanted and n not in wanted:
            continue
        verdict = "alive"
        for binary, part in STEPS[kind]:
            # Half an hour: no mutant of these hangs; a busy machine is slow.
            done = subprocess.run([binaries[binary]] + [part] * bool(part), cwd=copy, capture_output=True, text=True,
                                  env=dict(os.environ, S3SEAL_MUTANT=n), timeout=1800, errors="replace")
            if done.returncode:
                red = re.findall(r"^test (\S+).* \.\.\. FAILED", done.stdout, re.M)
                assert red, done.stderr
                verdict = "red: " + " ".join(red)
                break
        print(n, file, verdict, sep="\t", flush=True)


{"insert": lambda: insert(sys.argv[2]), "run": lambda: run(sys.argv[2], sys.argv[3:])}[sys.argv[1]]()
