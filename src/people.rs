//! `mendpoint user` and `mendpoint token`: who may sign in, and which programs may call.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use mendpoint_model::{DAY_MS, UnixMs};
use mendpoint_pipeline::AuditActor;
use mendpoint_store::{Error, NewUser, Store, StoreSettings, UserRow};

use crate::cli::{ConfigFile, Token, User};
use crate::settings::Settings;
use crate::terminal::{complain, say};

/// How long the command line waits for a database that another program has locked. A person sits
/// before it.
const PATIENCE_MS: u64 = 3_000;

/// Who the audit log says it was.
pub(crate) const BY: &str = "command line";

/// What people and tokens may be.
const ROLES: [&str; 5] = ["admin", "operator", "dispatcher", "technician", "viewer"];

/// Opens the database that is there.
pub(crate) async fn open(
    read: impl Fn(Option<&Path>) -> Result<Settings>,
    file: &ConfigFile,
) -> Result<Store> {
    let settings = store_settings(read, file)?;
    Store::open_existing(&settings, &prometheus::Registry::new())
        .await
        .context("failed to open the database")
}

/// Opens the database or makes one, for what is done before the first start, and says so: a name may
/// be mistyped.
async fn open_or_make(
    read: impl Fn(Option<&Path>) -> Result<Settings>,
    file: &ConfigFile,
) -> Result<Store> {
    let settings = store_settings(read, file)?;
    let registry = prometheus::Registry::new();
    match Store::open_existing(&settings, &registry).await {
        Err(Error::NoDatabase(place)) => {
            let made = Store::open(&settings, &prometheus::Registry::new()).await;
            let made = made.context("failed to make a database")?;
            complain(&format!("there was no database at {place}: this one is new"));
            Ok(made)
        }
        opened => opened.context("failed to open the database"),
    }
}

fn store_settings(
    read: impl Fn(Option<&Path>) -> Result<Settings>,
    file: &ConfigFile,
) -> Result<StoreSettings> {
    let settings = read(file.config.as_deref())?;
    Ok(StoreSettings { busy_timeout_ms: PATIENCE_MS, ..settings.database.store() })
}

/// The time of the machine's clock.
pub(crate) fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(since.as_millis() as i64)
}

fn check_role(role: &str) -> Result<()> {
    ensure!(ROLES.contains(&role), "the roles are {}, not {role:?}", ROLES.join(", "));
    Ok(())
}

/// The audit log names people and tokens alike: nobody may act under another's name.
fn is_told_apart(is_taken: bool, whose: &str) -> Result<()> {
    ensure!(
        !is_taken,
        "{whose} has this name, and the audit log would not tell the two apart; take another one"
    );
    Ok(())
}

/// Names stand in the audit log for as long as there is one: they must not be a driver's card.
async fn is_no_card(store: &Store, name: &str) -> Result<()> {
    let is_card = store.id_token(name).await?.is_some();
    ensure!(
        !is_card,
        "this name is the number of a card, and would stay in the audit log when the card's driver is \
         erased; take another one"
    );
    Ok(())
}

/// `mendpoint user ..`.
pub(crate) async fn user(
    command: User,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    match command {
        User::Add { name, role, email, password_stdin, config } => {
            check_role(&role)?;
            ensure!(!name.trim().is_empty(), "a person needs a name");
            let password = if password_stdin {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("failed to read the password")?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            } else {
                new_password()?
            };
            ensure!(password.chars().count() >= 10, "a password has at least 10 characters");
            let store = open_or_make(read, &config).await?;
            is_no_card(&store, &name).await?;
            let is_token = store.api_tokens().await?.iter().any(|token| token.name == name);
            is_told_apart(is_token, "a token")?;
            add(&store, &name, &role, &email, &password).await?;
            store
                .add_audit(BY, "user added", &AuditActor::User(name.clone()).to_string(), &role)
                .await?;
            say(&format!("{name} may sign in as {role}."));
            if !password_stdin {
                say(&format!("Password: {password}\nIt is not shown again."));
            }
            store.close().await;
        }
        User::List { config } => {
            let store = open(read, &config).await?;
            for user in store.users().await? {
                let state = if user.disabled { "disabled" } else { "" };
                say(&format!("{:24} {:12} {:30} {state}", user.name, user.role, user.email));
            }
            store.close().await;
        }
        User::Disable { name, config } => {
            let store = open(read, &config).await?;
            let Some(user) = store.user_by_name(&name).await? else {
                bail!("there is nobody named {name:?}; `mendpoint user list` shows all");
            };
            store.update_user(&UserRow { disabled: true, ..user }).await?;
            store
                .add_audit(BY, "user disabled", &AuditActor::User(name.clone()).to_string(), "")
                .await?;
            say(&format!("{name} may no longer sign in."));
            store.close().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds a person.
pub(crate) async fn add(
    store: &Store,
    name: &str,
    role: &str,
    email: &str,
    password: &str,
) -> Result<()> {
    let owned = password.to_owned();
    // Slow on purpose, so not on a thread that serves others.
    let hash = tokio::task::spawn_blocking(move || mendpoint_web::hash_password(&owned)).await?;
    let password_hash = hash.map_err(|error| anyhow::anyhow!("{error}"))?;
    let new = NewUser { name, display_name: name, email, password_hash: &password_hash, role };
    store.insert_user(new).await?;
    Ok(())
}

/// A password nobody can guess, short enough to type.
pub(crate) fn new_password() -> Result<String> {
    let token = mendpoint_web::new_token().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(token.chars().skip(3).filter(char::is_ascii_alphanumeric).take(14).collect())
}

/// `mendpoint token ..`.
pub(crate) async fn token(
    command: Token,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    match command {
        Token::Create { name, role, days, config } => {
            check_role(&role)?;
            let store = open_or_make(read, &config).await?;
            is_no_card(&store, &name).await?;
            is_told_apart(store.user_by_name(&name).await?.is_some(), "an account")?;
            let token = mendpoint_web::new_token().map_err(|error| anyhow::anyhow!("{error}"))?;
            let expires = (days > 0).then(|| now() + i64::from(days) * DAY_MS);
            let hash = mendpoint_web::hash_token(&token);
            store.insert_api_token(&hash, &name, &role, BY, expires).await?;
            store
                .add_audit(BY, "token made", &AuditActor::Token(name.clone()).to_string(), &role)
                .await?;
            say(&format!("{token}\nIt is not shown again."));
            store.close().await;
        }
        Token::List { config } => {
            let store = open(read, &config).await?;
            for token in store.api_tokens().await? {
                let state = match (token.revoked_at, token.expires_at) {
                    (Some(at), _) => format!("revoked {at}"),
                    (None, Some(at)) => format!("until {at}"),
                    (None, None) => "for ever".to_owned(),
                };
                say(&format!("{:24} {:12} {state}", token.name, token.scopes));
            }
            store.close().await;
        }
        Token::Revoke { name, config } => {
            let store = open(read, &config).await?;
            let tokens = store.api_tokens().await?;
            let mut revoked = 0;
            for token in tokens.iter().filter(|token| token.name == name) {
                revoked += u32::from(store.revoke_api_token(token.id, now()).await?);
            }
            if revoked > 0 {
                store
                    .add_audit(
                        BY,
                        "token revoked",
                        &AuditActor::Token(name.clone()).to_string(),
                        "",
                    )
                    .await?;
            }
            store.close().await;
            ensure!(revoked > 0, "there is no token named {name:?} that is still good");
            say(&format!("{name} is revoked."));
        }
    }
    Ok(ExitCode::SUCCESS)
}
