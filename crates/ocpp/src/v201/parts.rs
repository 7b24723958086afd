//! The parts that several 2.x messages have: EVSE, component, variable, token.

use std::borrow::Cow;
use std::fmt::Write;

use mendpoint_model::ConnectorRef;

use crate::payload::Payload;

/// `EVSEType`, or the two numbers of a `StatusNotification`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evse {
    pub(super) id: Option<u16>,
    pub(super) connector: Option<u16>,
}

impl Evse {
    /// Reads `{"id": 1, "connectorId": 1}`; a bare number is the id.
    pub(super) fn read(payload: &mut Payload<'_>) -> Self {
        let mut evse = Self::default();
        if !payload.is_nested() {
            evse.id = payload.number("evse");
        } else if payload.object("evse") {
            while let Some(key) = payload.key() {
                match &*key {
                    "id" => evse.id = payload.number("id"),
                    "connectorId" => evse.connector = payload.number("connectorId"),
                    _ => payload.skip(),
                }
            }
        }
        evse
    }

    /// Where that is. Without a connector it is the EVSE as a whole and not its connector 1
    /// (behaviour 62).
    pub(super) fn at(self) -> Option<ConnectorRef> {
        let evse = self.id?;
        let connector = if evse == 0 { 0 } else { self.connector.unwrap_or_default() };
        Some(ConnectorRef { evse, connector })
    }
}

/// `ComponentType` or `VariableType`: both have a name and may have an instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Named<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) instance: Option<Cow<'a, str>>,
    pub(super) evse: Evse,
}

impl<'a> Named<'a> {
    pub(super) fn read(payload: &mut Payload<'a>, field: &'static str) -> Self {
        let mut named = Self::default();
        if !payload.object(field) {
            return named;
        }
        while let Some(key) = payload.key() {
            match &*key {
                "name" => named.name = payload.text("name").unwrap_or_default(),
                "instance" => {
                    named.instance = payload.text("instance").filter(|name| !name.is_empty());
                }
                "evse" => named.evse = Evse::read(payload),
                _ => payload.skip(),
            }
        }
        named
    }

    pub(super) fn instance(&self) -> &str {
        self.instance.as_deref().unwrap_or_default()
    }
}

/// The name under which a variable is kept: `Component.Variable`, with `:evse` or
/// `:evse:connector` behind the component and an instance in brackets, as in
/// `Connector:1:2.AvailabilityState` and `DataLink[wifi].SignalStrength`.
pub(super) fn variable_key(component: &Named<'_>, variable: &Named<'_>) -> String {
    let mut key = component.name.to_string();
    if let Some(instance) = &component.instance {
        // Writing into a String cannot fail, here and below.
        let _ = write!(key, "[{instance}]");
    }
    if let Some(id) = component.evse.id {
        let _ = write!(key, ":{id}");
        if let Some(connector) = component.evse.connector {
            let _ = write!(key, ":{connector}");
        }
    }
    let _ = write!(key, ".{}", variable.name);
    if let Some(instance) = &variable.instance {
        let _ = write!(key, "[{instance}]");
    }
    key
}

/// `IdTokenType`; bare text is the token itself.
pub(super) fn read_id_token(payload: &mut Payload<'_>) -> Option<String> {
    if !payload.is_nested() {
        return payload.filled("idToken");
    }
    if !payload.object("idToken") {
        return None;
    }
    let mut id_token = None;
    while let Some(key) = payload.key() {
        match &*key {
            "idToken" => id_token = payload.filled("idToken"),
            _ => payload.skip(),
        }
    }
    id_token
}
