//! `concord health`: whether a server is ready, for what starts and watches containers. There is nothing else in one that could ask.

use std::io::{Read as _, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;
use url::Url;

use crate::config::Config;

/// How long it may take to be connected with, and to answer.
const WITHIN: Duration = Duration::from_secs(2);
/// The longest answer that is looked at, in bytes.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;

/// Say whether a server is ready
#[derive(Args, Clone, Debug, Default)]
pub struct HealthArgs {
    /// Where it is, such as http://127.0.0.1:8080 [default: where a server with these settings is, on this machine]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
}

/// Asks, and writes that it is ready to `out`.
///
/// # Errors
/// One line, when it is not.
pub fn run(args: &HealthArgs, config: &Config, out: &mut impl Write) -> Result<(), String> {
    let place = match &args.url {
        Some(url) => named(url)?,
        None => reachable(config.health_listen.unwrap_or(config.listen)),
    };
    let answer = ask(place).map_err(|error| format!("{place}: {error}"))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => writeln!(out, "ready").map_err(|error| format!("standard output: {error}")),
        _ => {
            let why = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
            Err(format!("{place}: not ready ({status}) {why}"))
        }
    }
}

/// Where a server is that a URL names.
fn named(text: &str) -> Result<SocketAddr, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http");
    let url = url.ok_or_else(|| format!("{text:?} is no http URL, and a server speaks no https itself"))?;
    let found = url.socket_addrs(|| None).map_err(|error| format!("{text:?}: {error}"))?;
    found.first().copied().ok_or_else(|| format!("{text:?}: there is no such host"))
}

/// How a server is reached from its own machine that listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(place: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&place, WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_where_it_can_be_reached_from_its_own_machine() {
        for (listen, reached) in
            [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:80", "[::1]:80"), ("10.0.0.1:8080", "10.0.0.1:8080")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap());
        }
        assert_eq!(named("http://127.0.0.1:81/x"), Ok("127.0.0.1:81".parse().unwrap()));
        for bad in ["https://127.0.0.1/", "127.0.0.1:80", "", "http://"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}
