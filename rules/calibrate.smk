"""Calibrate what is out of date, a batch of exposures or of associations per job.

In: a plan, the inputs in the store, the read-only reference cache. Out: results in the store by
key, and a receipt that says what was computed and what failed. These jobs need no network: on a
cluster they are the ones that go to the nodes. Memory is asked for by estimate, from the shapes
in the headers. An exposure that is killed for want of it is tried again alone; if that does not
help, or the whole job is killed, Snakemake tries the job again and it asks for more: it finds what
it has already made in the store. Other failures are in the receipt, and nothing is repeated.
"""

RETRIES = 2


rule calibrate_batch:
    input:
        plan=f"{RUN}/plan-{{level}}.json",
        references=rules.sync_references.output.references,
    output:
        receipt=f"{RUN}/{{level}}/{{batch}}.json",
    log:
        f"{LOGS}/calibrate_batch/{{level}}-{{batch}}.log",
    retries: RETRIES
    conda:
        "../envs/jwmirror.yaml"
    threads: 8
    resources:
        attempt=lambda wildcards, attempt: attempt,
        mem_mb=lambda wildcards, input, threads, attempt: memory(
            input.plan, wildcards.batch, threads, attempt
        ),
    params:
        mirror=mirror,
        work=WORK,
        cache=str(CONFIG.cache),
        timeout_s=CONFIG.timeout_s,
        retries=RETRIES,
    message:
        "Calibrating {wildcards.level}, batch {wildcards.batch}, with {resources.mem_mb} MB"
    script:
        "../scripts/calibrate_batch.py"
