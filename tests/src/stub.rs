//! A small HTTP server of a test's own, by which what others run is stood in for. It answers one request a connection, and ends with
//! the test's process.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

/// A request.
#[derive(Debug, Default)]
pub struct Asked {
    /// The path with its query, as it was sent.
    pub target: String,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// Starts one that answers with a status line and JSON.
///
/// # Panics
/// When there is no port for it.
pub fn start(answer: impl Fn(&Asked) -> (&'static str, Value) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = read(&stream);
            let (status, answer) = answer(&asked);
            say(stream, status, &answer.to_string());
        }
    });
    address
}

fn read(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).expect("a request");
    let mut asked = Asked { target: first.split(' ').nth(1).unwrap_or_default().to_owned(), ..Asked::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.split_once(':') else { break };
        asked.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = asked.headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    asked.body = String::from_utf8(body).expect("UTF-8");
    asked
}

fn say(mut stream: TcpStream, status: &str, answer: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", answer.len());
    // Whoever has gone away wants no answer.
    let _sent = write!(stream, "{head}connection: close\r\n\r\n{answer}");
}
