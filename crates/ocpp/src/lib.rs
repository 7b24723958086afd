//! mendpoint-ocpp
