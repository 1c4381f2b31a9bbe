"""What alembic runs for each command: the migrations, on the connection that `upgrade` handed over."""

from alembic import context

from btcframe.stores.postgres.schema_version import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    version_table_schema=context.config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
