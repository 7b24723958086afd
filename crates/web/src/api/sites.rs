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
    /// The same, field by field, as `GET` answers.
    installer_name: Option<String>,
    /// Where the tickets are sent.
    installer_email: Option<String>,
    installer_phone: Option<String>,
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

impl Put {
    /// Who gets the tickets, in either form.
    fn installer(&self) -> Result<Option<Contact>> {
        let fields = (&self.installer_name, &self.installer_email, &self.installer_phone);
        let contact = match (&self.installer, fields) {
            (Some(_), (Some(_), ..) | (_, Some(_), _) | (.., Some(_))) => {
                return Err(ApiError::bad_request(
                    "the installer is there twice: send `installer`, or `installer_name`, \
                     `installer_email` and `installer_phone`",
                ));
            }
            (Some(installer), _) => Contact {
                name: installer.name.clone(),
                email: installer.email.clone(),
                phone: installer.phone.clone(),
            },
            (None, (None, None, None)) => return Ok(None),
            (None, (name, Some(email), phone)) => Contact {
                name: name.clone().unwrap_or_default(),
                email: email.clone(),
                phone: phone.clone().unwrap_or_default(),
            },
            (None, _) => {
                return Err(ApiError::bad_request(
                    "an installer has an `installer_email`: tickets are sent there",
                ));
            }
        };
        if !contact.email.contains('@') || contact.email.chars().any(char::is_control) {
            let message = format!("{:?} is not an address for mail", contact.email);
            return Err(ApiError::bad_request(message));
        }
        Ok(Some(contact))
    }
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
    let installer = body.installer()?;
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
        installer,
        price_cents_per_kwh: body.price_cents_per_kwh,
    };
    let site = state.handle().put_site(site).await?;
    state.handle().audit(&caller.name, "put site", &site.name).await;
    Ok(Json(SiteJson::from(&*site)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Option<Contact>, String> {
        let put: Put = serde_json::from_str(text).map_err(|error| error.to_string())?;
        put.installer().map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn an_installer_comes_as_it_is_answered_or_in_one() {
        let wanted = Contact {
            name: "Ion".to_owned(),
            email: "ion@example.org".to_owned(),
            phone: String::new(),
        };
        let whole = r#"{"name": "A", "installer": {"name": "Ion", "email": "ion@example.org"}}"#;
        assert_eq!(read(whole), Ok(Some(wanted.clone())));
        let fields =
            r#"{"name": "A", "installer_name": "Ion", "installer_email": "ion@example.org"}"#;
        assert_eq!(read(fields), Ok(Some(wanted)));
        assert_eq!(read(r#"{"name": "A"}"#), Ok(None));
        // What `GET` answers of a site without one.
        assert_eq!(
            read(r#"{"name": "A", "installer_name": null, "installer_email": null}"#),
            Ok(None)
        );
        let told = read(r#"{"name": "A", "installer_name": "Ion"}"#).expect_err("no address");
        assert!(told.contains("an installer has an `installer_email`"), "{told}");
        let told = read(r#"{"name": "A", "instaler": "Ion"}"#).expect_err("no such field");
        assert!(told.contains("unknown field `instaler`, expected one of"), "{told}");
        let both =
            r#"{"name": "A", "installer_phone": "1", "installer": {"name": "I", "email": "i@x"}}"#;
        assert!(read(both).expect_err("twice").contains("is there twice"));
    }
}
