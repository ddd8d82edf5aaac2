"""The line: the durable table of jobs, from who asks, over who composes or transcribes, to who brings the answer.

    submit ---> QUEUED ---- claim ----> RUNNING ---- finish --------------------> DONE
                 |  ^                   | | | ^
                 |  |                   | | | '- claim by another, the lease ran out
                 |  |                   | | '-- fail, or too many attempts -----> FAILED
                 |  '- release, retire -' |
                 '------------------------'--- cancel --------------------------> CANCELLED

    untended -- submit, tend --> tended -- delivered --> delivered      beside the state, and independent of it
        ^                          |
        '- let_go, the lease ran out

    schema       the tables, and what a row is
    table        what all of the following share: transactions, leases
    asking       submit, limits, progress, cancel: the requester
    claiming     claim, beat, finish, release, fail: the worker, which holds a lease
    delivering   tend, hold, delivered: the tender, which holds a lease of the same kind
    sweeping     statistics, and the end of old rows
    jobs         Jobs: all of these as one object
    claimant     Claimant: the loop of whoever works, given what to do with a job

All times are the database's. Jobs are of two kinds, and whoever works does one of them.
"""
