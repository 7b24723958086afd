//! Serving until told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::{AppState, router};

/// How long requests may take to end after the order to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves pages and API until `stop` says `true` (or its sender is gone), then lets requests end
/// for up to five seconds.
pub async fn serve(listener: TcpListener, state: AppState, stop: watch::Receiver<bool>) {
    let app = router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let mut told = stop.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stopped(&mut told).await;
        // The live feeds never end by themselves.
        state.stop();
    });
    let mut late = stop;
    let deadline = async move {
        stopped(&mut late).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server.into_future() => {
            if let Err(error) = ended {
                tracing::error!(%error, "serving pages ended");
            }
        }
        () = deadline => tracing::info!("some requests did not end in time and were cut off"),
    }
}

pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody could tell us any more.
    let _ = stop.wait_for(|stop| *stop).await;
}
