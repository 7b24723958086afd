//! The parts that several 2.x messages have: EVSE, component, variable, token.

use std::borrow::Cow;

use mendpoint_model::{ConnectorRef, VariableRef};

use crate::payload::Payload;
use crate::quirk::truncated;

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

/// Longest name of a component, variable or instance that is kept, in bytes (2.x allows 50).
const NAME_LEN_MAX: usize = 100;

/// The name under which a variable is kept.
pub(super) fn variable_ref(component: &Named<'_>, variable: &Named<'_>) -> VariableRef {
    let kept = |text: &str| truncated(text, NAME_LEN_MAX).to_owned();
    VariableRef {
        component: kept(&component.name),
        instance: kept(component.instance()),
        evse: component.evse.id,
        connector: component.evse.id.and(component.evse.connector),
        variable: kept(&variable.name),
        variable_instance: kept(variable.instance()),
    }
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
