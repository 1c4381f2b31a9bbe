"""Roles of least rights, as a script for a person who may make roles; `btcframe db roles` prints it.

One role owns all tables, and nobody works as it: PostgreSQL lets only the owner widen a table (ALTER TABLE), and rights
to tables that are made later go by who makes them. The writer is a member of the owner that inherits nothing: it writes
with the rights of its own, and `catalogue.as_owner` acts as the owner for the one transaction that makes or widens a
table. So several writers can widen each other's tables, and what a writer runs by mistake cannot drop or change one.
"""

from __future__ import annotations

from psycopg import sql

from btcframe.errors import StoreError
from btcframe.stores.postgres.catalogue import NAME_BYTES
from btcframe.stores.postgres.connection import Access
from btcframe.stores.postgres.schema_version import VERSION_TABLE
from btcframe.stores.records import TABLES

_SCRIPT = """\
-- Roles for schema {schema} of database {database}: {owner} owns, {writer} writes, {reader} reads.
-- For a superuser, after `btcframe db init`; again whenever you like: what is there stays.
-- There is no password in it. Then, in psql: \\password {writer}   and   \\password {reader}

BEGIN;

DO $$ BEGIN CREATE ROLE {owner}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE {writer} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE {reader} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;

-- The writer may act as the owner, and does so only to make or widen a table; it inherits no right of it.
ALTER ROLE {writer} NOINHERIT;
GRANT {owner} TO {writer};

CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
ALTER SCHEMA {schema} OWNER TO {owner};
DO $$
DECLARE
    found record;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        ALTER ROLE {owner} LOGIN;  -- TimescaleDB runs policies as the owner; without a password nobody logs in as it
        FOR found IN EXECUTE
            'SELECT view_name AS name FROM timescaledb_information.continuous_aggregates WHERE view_schema = $1'
            USING {schema_text}
        LOOP
            EXECUTE format('ALTER MATERIALIZED VIEW %I.%I OWNER TO %I', {schema_text}, found.name, {owner_text});
        END LOOP;
    END IF;
    FOR found IN
        SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = {schema_text} AND c.relkind IN ('r', 'v') AND c.relowner <> quote_ident({owner_text})::regrole
    LOOP
        EXECUTE format('ALTER TABLE %I.%I OWNER TO %I', {schema_text}, found.name, {owner_text});
    END LOOP;
END $$;

REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {writer}, {reader};
GRANT USAGE ON SCHEMA {schema} TO {writer}, {reader};

-- Tables that are there, and those that the owner makes later.
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader};
GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA {schema} TO {writer};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT, INSERT, DELETE ON TABLES TO {writer};

-- What is sealed or recorded stays; rows go only with an unsealed build that is discarded.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[{kept}] LOOP
        IF to_regclass(format('%I.%I', {schema_text}, name)) IS NOT NULL THEN
            EXECUTE format('REVOKE DELETE ON %I.%I FROM %I', {schema_text}, name, {writer_text});
        END IF;
    END LOOP;
    IF to_regclass(format('%I.%I', {schema_text}, {version_text})) IS NOT NULL THEN
        EXECUTE format('REVOKE INSERT ON %I.%I FROM %I', {schema_text}, {version_text}, {writer_text});
    END IF;
    IF to_regclass(format('%I.%I', {schema_text}, 'build_tables')) IS NOT NULL THEN
        EXECUTE format('GRANT UPDATE ON %I.%I TO %I', {schema_text}, 'build_tables', {writer_text});
    END IF;
END $$;

COMMIT;
"""


def roles(access: Access) -> str:
    """The script, for psql or any other client.

    Raises
    ------
    StoreError
        If the name of the schema is too long for roles that are named after it.
    """
    names = {role: f"{access.schema}_{role}" for role in ("owner", "writer", "reader")}
    for name in names.values():
        if len(name.encode()) > NAME_BYTES:
            raise StoreError(
                f"the role {name} would have a name of more than {NAME_BYTES} bytes",
                hint="The roles are named after the schema: choose a shorter name (store.schema=…).",
            )
    names |= {"schema": access.schema, "database": str(access.parameters["dbname"])}
    kept = [VERSION_TABLE, "builds", *TABLES]
    return _SCRIPT.format(
        **{name: sql.Identifier(value).as_string(None) for name, value in names.items()},
        **{f"{name}_text": _literal(value) for name, value in names.items()},
        version_text=_literal(VERSION_TABLE),
        kept=", ".join(map(_literal, kept)),
    )


def _literal(text: str) -> str:
    """The text in quotes, whatever is in it; without psycopg's blank in front of an E."""
    return sql.Literal(text).as_string(None).strip()
