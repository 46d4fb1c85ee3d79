// SPDX-License-Identifier: MIT
#include "client/old_client.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

// Its keys without an equivalent, in order.
std::string without(const OldClient& client) {
    std::string list;
    for (const WithoutEquivalent& row : client.without) {
        CHECK_FALSE(row.why.empty());
        list += (list.empty() ? "" : " ") + row.key;
    }
    return list;
}

std::string fault(const Result<std::vector<OldClient>>& clients) {
    REQUIRE_FALSE(clients.has_value());
    CHECK(clients.error().exit == Exit::configuration);
    return clients.error().message;
}

} // namespace

TEST_CASE("a stanza of fwknop's client says server, port, time and name") {
    const auto clients = read_fwknoprc("# comment\n"
                                       "; another\n"
                                       "[default]\n"
                                       "USE_HMAC\tY\n"
                                       "FW_TIMEOUT   60\n"
                                       "KEY a-secret-key\n"
                                       "\n"
                                       "  [work]\n"
                                       "SPA_SERVER          spa.example.net  # where\n"
                                       "ACCESS              tcp/22;\r\n"
                                       "ALLOW_IP            source\n"
                                       "[home]\n"
                                       "SPA_SERVER 2001:db8::1\n"
                                       "FW_TIMEOUT 0\n",
                                       "rc");
    REQUIRE(clients.has_value());
    REQUIRE(clients->size() == 2);
    const OldClient& work = clients->at(0);
    CHECK(work.alias == "work");
    CHECK(work.hosts == std::vector<std::string>{"spa.example.net"});
    CHECK(work.service == "tcp/22");
    CHECK(work.lifetime == 60s);
    CHECK(work.nat == NatPolicy::always);
    CHECK(without(work) == "KEY USE_HMAC");
    const OldClient& home = clients->at(1);
    CHECK(home.hosts == std::vector<std::string>{"2001:db8::1"});
    CHECK(home.service.empty());
    CHECK_FALSE(home.lifetime.has_value()); // its own 0 counts more than the 60 of [default]
    CHECK_FALSE(home.nat.has_value());
}

TEST_CASE("no value of a setting without an equivalent is repeated, because it may be a key") {
    const auto clients = read_fwknoprc("[a]\nSPA_SERVER h\nKEY very-secret\nHMAC_KEY_BASE64 c2VjcmV0\nGPG_SIGNING_PW "
                                       "very-secret\nOTHER very-secret\n",
                                       "rc");
    REQUIRE(clients.has_value());
    CHECK(without(clients->at(0)) == "GPG_SIGNING_PW HMAC_KEY_BASE64 KEY OTHER");
    for (const WithoutEquivalent& row : clients->at(0).without)
        CHECK_MESSAGE((row.why.find("very-secret") == row.why.npos && row.why.find("c2VjcmV0") == row.why.npos),
                      row.key);
}

TEST_CASE("a stanza for itself is one, though it is called default") {
    const auto clients = read_fwknoprc("[default]\nSPA_SERVER h\n", "rc");
    REQUIRE(clients.has_value());
    REQUIRE(clients->size() == 1);
    CHECK(clients->at(0).alias.empty());
}

TEST_CASE("what fwknop has otherwise is said to have no equivalent") {
    const auto of = [](const char* lines) {
        return read_fwknoprc(std::string("[a]\nSPA_SERVER h\n") + lines, "rc").value().at(0);
    };
    CHECK(without(of("ACCESS tcp/22,udp/53\n")) == "ACCESS");
    CHECK(without(of("ACCESS 22/tcp\n")) == "ACCESS");
    CHECK(without(of("ACCESS icmp/1\n")) == "ACCESS");
    CHECK(without(of("FW_TIMEOUT soon\n")) == "FW_TIMEOUT");
    CHECK(without(of("FW_TIMEOUT -1\n")) == "FW_TIMEOUT");
    CHECK(without(of("FW_TIMEOUT 99999999999999\n")) == "FW_TIMEOUT");
    CHECK(without(of("ALLOW_IP resolve\n")) == "ALLOW_IP");
    CHECK(without(of("ALLOW_IP 203.0.113.7\n")) == "ALLOW_IP");
    CHECK(without(of("RAND_PORT Y\nSPOOF_USER bob\n")) == "RAND_PORT SPOOF_USER");
    CHECK(without(of("ACCESS tcp/22\nNAT_ACCESS 10.0.0.7,2222\n")).empty());
    CHECK(of("ACCESS tcp/22\nNAT_ACCESS 10.0.0.7,2222\n").service == "tcp/22@10.0.0.7");
    CHECK(without(read_fwknoprc("[a]\nSPA_SERVER a\"b\n", "rc").value().at(0)) == "SPA_SERVER");
    CHECK(without(of("W\x1b[31m x\n")) == "W\\x1b[31m");
}

TEST_CASE("what is no file of fwknop's is refused with its line") {
    CHECK(fault(read_fwknoprc("KEY x\n", "rc")) == "rc:1: \"KEY\" stands before the first stanza");
    CHECK(fault(read_fwknoprc("[a]\nKEY\n", "rc")) == "rc:2: \"KEY\" has no value");
    CHECK(fault(read_fwknoprc("\n[]\n", "rc")) == "rc:2: a stanza without a name");
    CHECK(fault(read_fwknoprc("[a\n", "rc")) == "rc:1: a stanza without a name");
    CHECK(fault(read_fwknoprc("", "rc")) == "\"rc\" has no stanza with a server");
    CHECK(fault(read_fwknoprc("[default]\nKEY x\n", "rc")) == "\"rc\" has no stanza with a server");
    CHECK(fault(read_fwknoprc(std::string("\0\xff[", 3), "rc\x1b")).find("\\xff") != std::string::npos);
}

TEST_CASE("capyknock's client file says server and port, as numbers or as strings") {
    for (const char* port : {"22", "\"22\""}) {
        const auto client =
            read_capyknock(std::string("{\"username\":\"a\",\"udpkey\":\"very-secret\",\"otpkeydesc\":\"d\",") +
                               "\"knock_server_ip\":\"192.0.2.1\",\"knock_server_port\":\"62202\"," +
                               "\"target_server_ip\":\"192.0.2.1\",\"target_server_port\":" + port + "}",
                           "f");
        REQUIRE_MESSAGE(client.has_value(), port);
        CHECK(client->hosts == std::vector<std::string>{"192.0.2.1"});
        CHECK(client->service == "tcp/22");
        CHECK(without(*client) == "knock_server_port otpkeydesc udpkey username");
    }
}

TEST_CASE("a target behind capyknock's server is a port behind the server") {
    const auto client = read_capyknock(
        R"({"knock_server_ip":"192.0.2.1","target_server_ip":"10.0.0.7","target_server_port":22,"otpkey":"S"})", "f");
    REQUIRE(client.has_value());
    CHECK(client->hosts == std::vector<std::string>{"192.0.2.1"});
    CHECK(client->service == "tcp/22@10.0.0.7");
    CHECK(without(*client) == "otpkey");
}

TEST_CASE("what is no client file of capyknock's is refused") {
    const auto message = [](const char* text) {
        const auto client = read_capyknock(text, "f");
        return client ? std::string("accepted") : client.error().message;
    };
    for (const char* text : {"", "{", "[]", "1", "{} {}", "\xff", "{\"a\": \"\xff\"}"})
        CHECK_MESSAGE(message(text) == "\"f\" is no client file of capyknock: it is no JSON object", text);
    CHECK(message("{}") == "\"f\" is no client file of capyknock: knock_server_ip is not there");
    CHECK(message(R"({"knock_server_ip": 5})") == "\"f\" is no client file of capyknock: knock_server_ip is not there");
    CHECK(message(R"({"knock_server_ip": "a b", "target_server_ip": "c"})") ==
          "\"f\" is no client file of capyknock: knock_server_ip \"a b\" is no address");
    for (const char* port : {"0", "65536", "-1", "\"22x\"", "\"\"", "1.5", "null", "[]", "99999999999999999999"})
        CHECK_MESSAGE(
            message((std::string(R"({"knock_server_ip":"a","target_server_ip":"a","target_server_port":)") + port + "}")
                        .c_str()) == "\"f\" is no client file of capyknock: target_server_port is no port",
            port);
    CHECK(message(R"({"knock_server_ip":"a.b","target_server_ip":"c.d","target_server_port":22})") != "accepted");
}
