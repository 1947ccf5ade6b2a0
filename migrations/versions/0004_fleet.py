"""The state of forwarding to a fleet; on PostgreSQL, runs partitioned by month.

A unique key of a partitioned table must contain the column of the partitioning, so no foreign key can refer to a run: a
trigger deletes what belongs to a deleted run. The id of a run is unique only among those that started in the same
second, which is enough for a run that is sent again.
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0004"

down_revision = "0003"

branch_labels = None

depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

PARTED = """
ALTER TABLE runs RENAME TO runs_whole;
CREATE TABLE runs (LIKE runs_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (started_at);
CREATE SEQUENCE runs_number OWNED BY runs.pk;
ALTER TABLE runs ALTER COLUMN pk SET DEFAULT nextval('runs_number');
-- Whatever the language of the database, beginnings of ids are found by their index.
ALTER TABLE runs ALTER COLUMN id TYPE varchar(64) COLLATE "C";
"""

# CREATE TABLE ... PARTITION OF would wait for every reader of `runs`; ATTACH does not. With foreign keys to probes,
# ISPs and servers it would deadlock with writers that refer to one of these; such rows are never deleted.
MAKE_PARTITION = """
CREATE FUNCTION make_runs_partition(moment bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', to_timestamp(moment) AT TIME ZONE 'UTC');
    name text := 'runs_' || to_char(month, 'YYYYMM');
    since bigint := extract(epoch FROM month AT TIME ZONE 'UTC');
    until bigint := extract(epoch FROM (month + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(hashtext('make_runs_partition'));
    -- to_regclass would answer from memory.
    IF EXISTS (SELECT FROM pg_class WHERE relname = name) THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE runs INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
    EXECUTE format('ALTER TABLE runs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, since, until);
END $$;
"""

MOVE = """
SELECT make_runs_partition(at) FROM (SELECT DISTINCT started_at - started_at % 86400 AS at FROM runs_whole) AS days;
INSERT INTO runs SELECT * FROM runs_whole;
SELECT setval('runs_number', (SELECT coalesce(max(pk), 0) + 1 FROM runs), false);
DROP TABLE runs_whole CASCADE;
"""

KEYS = """
ALTER TABLE runs ADD CONSTRAINT pk_runs PRIMARY KEY (pk, started_at);
ALTER TABLE runs ADD CONSTRAINT uq_runs_id UNIQUE (id, started_at);
CREATE INDEX ix_runs_started_at ON runs (started_at);
-- Not by path, as in SQLite: there are two, and the latest runs of a probe are asked for whatever theirs.
CREATE INDEX ix_runs_probe_pk_started_at ON runs (probe_pk, started_at);
CREATE INDEX ix_rollups_span_start ON rollups (span, start);
CREATE INDEX ix_runs_retry_of ON runs (retry_of) WHERE retry_of IS NOT NULL;
"""

FORGET = """
CREATE FUNCTION forget_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM raw_output WHERE run_pk = OLD.pk;
    DELETE FROM findings WHERE run_pk = OLD.pk;
    DELETE FROM traces WHERE run_pk = OLD.pk;
    DELETE FROM events WHERE run_pk = OLD.pk;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_run AFTER DELETE ON runs FOR EACH ROW EXECUTE FUNCTION forget_run();
"""


def upgrade() -> None:
    """Create two small tables; on PostgreSQL move the runs into partitions."""
    op.add_column("probes", sa.Column("installation", sa.String(36)))
    _make_identity()
    _make_forwarding()
    if op.get_bind().dialect.name == "postgresql":
        for part in (PARTED, MAKE_PARTITION, MOVE, KEYS, FORGET):
            op.get_bind().exec_driver_sql(part.replace("%", "%%"))


def _make_identity() -> None:
    identity = op.create_table(
        "identity",
        sa.Column("id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
    )
    op.bulk_insert(identity, [{"id": str(uuid.uuid4())}])


def _make_forwarding() -> None:
    op.create_table(
        "forwarding",
        sa.Column("pk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(36)),
        sa.Column("run_pk", ROW_NUMBER),
        sa.Column("run_id", sa.String(64)),
        sa.Column("acknowledged_at", sa.BigInteger()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("pk", name="pk_forwarding"),
        sa.CheckConstraint("pk = 1", name=op.f("ck_forwarding_one_row")),
    )
