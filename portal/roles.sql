-- The four roles of a Mooring database (security.md, "Tenant isolation"); safe to run again.
-- Passwords are not set here: the embedded server has none, docker-compose.yml sets its own.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mooring_app') THEN
    CREATE ROLE mooring_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mooring_fleet') THEN
    CREATE ROLE mooring_fleet NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mooring_owner') THEN
    CREATE ROLE mooring_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mooring_login') THEN
    CREATE ROLE mooring_login LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  END IF;
END $$;
GRANT mooring_app, mooring_fleet TO mooring_login;
