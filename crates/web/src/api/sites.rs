//! Sites: where chargers stand, and who is responsible there.

use axum::Json;
use axum::extract::State;
use mendpoint_model::{Contact, SiteRecord};
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{Caller, Operator};
use super::error::{ApiError, Result};
use super::extract::Body;
use super::json::{Page, SiteJson};
use crate::AppState;

pub(super) async fn list(_: Caller, State(state): State<AppState>) -> Json<Page<SiteJson>> {
    let sites = state.handle().directory().sites();
    Json(Page { items: sites.iter().map(|site| SiteJson::from(&**site)).collect(), next: None })
}

/// A site to be registered, or changed when one of that name is there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Put {
    name: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    address: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    /// IANA time zone; `UTC` when left out.
    time_zone: Option<String>,
    #[serde(default)]
    operator: String,
    #[serde(default)]
    owner: String,
    /// Who gets the tickets.
    installer: Option<Installer>,
    /// Income per kWh in hundredths of the currency.
    #[serde(default)]
    price_cents_per_kwh: i64,
}

/// Who gets the tickets of a site.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Installer {
    name: String,
    email: String,
    #[serde(default)]
    phone: String,
}

pub(super) async fn put(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<Put>,
) -> Result<Json<SiteJson>> {
    let outside =
        |value: Option<f64>, limit: f64| value.is_some_and(|v| v.is_nan() || v.abs() > limit);
    if outside(body.latitude, 90.0) || outside(body.longitude, 180.0) {
        return Err(ApiError::bad_request(
            "latitude is between -90 and 90 degrees, longitude between -180 and 180",
        ));
    }
    if let Some(installer) = &body.installer
        && (!installer.email.contains('@') || installer.email.chars().any(char::is_control))
    {
        return Err(ApiError::bad_request(format!(
            "{:?} is not an address for mail",
            installer.email
        )));
    }
    let name = body.name.trim();
    let known = state.handle().directory().site_named(name);
    let site = SiteRecord {
        key: known.map(|site| site.key).unwrap_or_default(),
        name: name.to_owned(),
        region: body.region,
        address: body.address,
        latitude: body.latitude,
        longitude: body.longitude,
        time_zone: body.time_zone.unwrap_or_else(|| "UTC".to_owned()),
        operator: body.operator,
        owner: body.owner,
        installer: body.installer.map(|installer| Contact {
            name: installer.name,
            email: installer.email,
            phone: installer.phone,
        }),
        price_cents_per_kwh: body.price_cents_per_kwh,
    };
    let site = state.handle().put_site(site).await?;
    state.handle().audit(&caller.name, "put site", &site.name).await;
    Ok(Json(SiteJson::from(&*site)))
}
