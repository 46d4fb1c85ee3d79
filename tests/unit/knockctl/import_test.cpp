// SPDX-License-Identifier: MIT
// What the readers make of other servers' files: real ones in the words of those programs, and hostile ones.
#include "tools/knockctl/host/import/firewall_command.h"
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/import/old_server.h"

#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

using namespace xk;
using namespace xk::tools::takeover;
using namespace std::chrono_literals;

namespace {

constexpr const char* kUdpKey = "c2l4dGVlbiBieXRlcyEhc2l4dGVlbiBieXRlcyE_PyE="; // 32 bytes
constexpr const char* kOtpKey = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";             // RFC 6238's, 20 bytes

// "FATE what" of the rows of one line.
std::string rows(const OldServer& server, std::size_t line) {
    std::string text;
    for (const Row& row : server.rows) {
        CHECK_FALSE(row.why.empty());
        if (row.line == line)
            text += (text.empty() ? "" : "; ") + std::string(name_of(row.fate)) + " " + row.what;
    }
    return text;
}
std::string why(const OldServer& server, Fate fate) {
    for (const Row& row : server.rows)
        if (row.fate == fate && row.why != "its user is left out")
            return row.why;
    return {};
}
bool mentions(const OldServer& server, const std::string& secret) {
    for (const Row& row : server.rows)
        if (row.what.find(secret) != std::string::npos || row.why.find(secret) != std::string::npos)
            return true;
    return false;
}
std::string ports(const std::vector<PortRange>& all) {
    std::string text;
    for (const PortRange& port : all)
        text += (text.empty() ? "" : " ") + port.text();
    return text;
}
OldServer access(const std::string& text) {
    auto server = read_access_conf(text, "access.conf");
    REQUIRE(server.has_value());
    return *server;
}
// One good stanza with more lines.
std::string stanza(const std::string& more) { return "SOURCE ANY\nKEY secret-one\nHMAC_KEY secret-two\n" + more; }
std::string refusal(const std::string& text) {
    const OldServer server = access(text);
    CHECK(server.devices.empty());
    return why(server, Fate::not_taken);
}
std::string knockd(const std::string& command) { return ports(opened_by(command).ports); }

template <typename T>
std::string fault(const Result<T>& result) {
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().exit == Exit::configuration);
    return result.error().message;
}
bool has_part(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string capyknock(const std::string& user) {
    return R"({"listeninginterface": 0, "listeningport": "5001", "users": [)" + user + "]}";
}
std::string capyknock_user(const std::string& key, const std::string& value) {
    std::string text = "{";
    for (const auto& [name, normal] :
         std::vector<std::pair<std::string, std::string>>{{"username", "\"QMQs\""},
                                                          {"nickname", "\"anna\""},
                                                          {"udpkey", "\"" + std::string(kUdpKey) + "\""},
                                                          {"otpkey", "\"" + std::string(kOtpKey) + "\""},
                                                          {"target_server_ip", "\"192.0.2.1\""},
                                                          {"target_server_port", "\"22\""}})
        text += (text.size() > 1 ? ", \"" : "\"") + name + "\": " + (name == key ? value : normal);
    return text + "}";
}

} // namespace

TEST_CASE("a stanza of access.conf is a device with its user's rights") {
    const OldServer server = access("#### fwknopd access.conf\n"
                                    "SOURCE:                  10.1.2.3/8, 192.0.2.7;\n"
                                    "OPEN_PORTS               tcp/22,udp/53, tcp/25\n"
                                    "RESTRICT_PORTS           tcp/25\n"
                                    "REQUIRE_SOURCE_ADDRESS   Y\n"
                                    "REQUIRE_USERNAME         anna\n"
                                    "FW_ACCESS_TIMEOUT        400\n"
                                    "ACCESS_EXPIRE            7/4/2030\n"
                                    "KEY_BASE64               c2VjcmV0\n"
                                    "HMAC_KEY_BASE64          aG1hYw==\n"
                                    "HMAC_DIGEST_TYPE         SHA384\n"
                                    "ENABLE_CMD_EXEC          Y\n"
                                    "FORCE_NAT                192.168.10.3 22\n");
    REQUIRE(server.devices.size() == 1);
    const OldDevice& device = server.devices[0];
    CHECK(device.line == 2);
    CHECK(device.wanted_name == "anna");
    CHECK(device.device.kind == authz::DeviceKind::fwknop);
    CHECK(device.device.hmac == authz::HmacKind::sha384);
    CHECK(device.user.modes == std::vector{authz::KnockMode::packet, authz::KnockMode::fwknop});
    CHECK(device.user.binding == authz::Binding::match);
    REQUIRE(device.user.networks.size() == 2);
    CHECK(device.user.networks[0].text() == "10.0.0.0/8"); // as fwknopd reads it
    CHECK(device.user.lifetime == 400s);
    CHECK(device.user.max_lifetime == 400s); // more than fwknopd's own maximum
    REQUIRE(device.user.valid_until.has_value());
    CHECK(device.user.valid_until->time_since_epoch() == std::chrono::seconds(1909353600));
    CHECK(ports(device.ports) == "tcp/22 udp/53");
    CHECK(device.key.view() == "KEY_BASE64 c2VjcmV0\nHMAC_KEY_BASE64 aG1hYw==\n");
    CHECK(server.fwknop_port == 62201);
    CHECK(rows(server, 12) == "no equivalent ENABLE_CMD_EXEC");
    CHECK(rows(server, 13) == "no equivalent FORCE_NAT");
    CHECK_FALSE(mentions(server, "c2VjcmV0"));
}

TEST_CASE("what would give more than fwknopd gave leaves a stanza out, and says why") {
    CHECK(has_part(refusal("SOURCE ANY\nHMAC_KEY x\n"), "it has no KEY"));
    CHECK(has_part(refusal("SOURCE ANY\nKEY x\n"), "it has no HMAC_KEY"));
    CHECK(has_part(refusal("SOURCE ANY\nKEY __CHANGEME__\nHMAC_KEY x\n"), "KEY is the example's"));
    CHECK(has_part(refusal("SOURCE !192.0.2.1\nKEY x\nHMAC_KEY y\n"), "is no network here"));
    CHECK(has_part(refusal("SOURCE 192.0.2.1/33\nKEY x\nHMAC_KEY y\n"), "is no network here"));
    CHECK(has_part(refusal("SOURCE 1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4,5.5.5.5,6.6.6.6,7.7.7.7,8.8.8.8,9.9.9.9\nKEY x\n"
                           "HMAC_KEY y\n"),
                   "more than 8 networks"));
    CHECK(has_part(refusal(stanza("OPEN_PORTS tcp/22,icmp/0\n")), "is no list of ports"));
    CHECK(has_part(refusal(stanza("OPEN_PORTS tcp/22\nRESTRICT_PORTS tcp/22\n")), "leaves none"));
    CHECK(has_part(refusal(stanza("RESTRICT_PORTS all\n")), "is no list of ports"));
    CHECK(has_part(refusal(stanza("HMAC_DIGEST_TYPE SHA3_256\n")), "is not one of"));
    CHECK(has_part(refusal(stanza("ENCRYPTION_MODE legacy\n")), "only CBC"));
    CHECK(has_part(refusal(stanza("ACCESS_EXPIRE 13/40/2030\n")), "is no date"));
    CHECK(has_part(refusal(stanza("REQUIRE_SOURCE_ADDRESS maybe\n")), "neither Y nor N"));
    CHECK(has_part(refusal(stanza("KEY_BASE64 eA==\n")), "both KEY and KEY_BASE64"));
    CHECK(has_part(refusal(stanza("KEY another\n")), "KEY twice"));
    CHECK(has_part(refusal("SOURCE ANY\nHMAC_KEY y\nKEY " + std::string(33, 'k') + "\n"), "longer than 32 bytes"));
}

TEST_CASE("no line of a stanza that is left out is reported as taken over") {
    const OldServer server = access(stanza("OPEN_PORTS tcp/22\n") + "SOURCE ANY\nOPEN_PORTS tcp/25\nKEY x\n");
    REQUIRE(server.devices.size() == 1);
    CHECK(rows(server, 4) == "taken over OPEN_PORTS tcp/22");
    CHECK(rows(server, 6) == "not taken over OPEN_PORTS tcp/25");
    CHECK(rows(server, 5) == "not taken over SOURCE ANY; not taken over stanza 2");
}

TEST_CASE("lines of access.conf that say nothing are named with their numbers") {
    const OldServer server =
        access("KEY before\n"
               "%include /etc/fwknop/more.conf\n" +
               stanza("OPEN_PORTS\nSURPRISE 1\nFW_ACCESS_TIMEOUT soon\n") + "X " + std::string(2000, 'x') + "\n");
    CHECK(server.devices.size() == 1);
    CHECK(rows(server, 1) == "not understood KEY");
    CHECK(rows(server, 2) == "not taken over %include /etc/fwknop/more.conf");
    CHECK(rows(server, 6) == "not understood OPEN_PORTS");
    CHECK(rows(server, 7) == "not understood SURPRISE");
    CHECK(rows(server, 8) == "not understood FW_ACCESS_TIMEOUT soon");
    CHECK(rows(server, 9) == "not understood a line");
    CHECK_FALSE(mentions(server, "secret-one"));
    CHECK(has_part(fault(read_access_conf("KEY x\n", "f")), "no line begins with SOURCE"));
    CHECK(has_part(fault(read_access_conf("", "f")), "no line begins with SOURCE"));
}

TEST_CASE("users of capyknock have its keys, its name and the port that they ask for") {
    const auto server = read_capyknock_server(
        "{\"listeninginterface\": 0, \"locallisteninginterface\": 0,\n \"listeningport\": 5001, \"extra\": 1,\n"
        "\"users\": [\n" +
            capyknock_user("", "") + ",\n{\"username\": \"\", \"udpkey\": \"\"},\n3,\n" +
            capyknock_user("target_server_port", "443") + "]}",
        "server.json");
    REQUIRE(server.has_value());
    REQUIRE(server->devices.size() == 2);
    const OldDevice& device = server->devices[0];
    CHECK(server->capyknock_port == 5001);
    CHECK(device.wanted_name == "anna");
    CHECK(device.device.name == "QMQs");
    CHECK(device.device.target->text() == "192.0.2.1");
    CHECK(device.device.port == 22);
    CHECK(device.device.factor == FactorKind::totp);
    CHECK(device.key.view() == std::string(kUdpKey) + "\n");
    CHECK(device.factor.view() == std::string(kOtpKey) + "\n");
    CHECK(ports(server->devices[1].ports) == "tcp/443"); // a number as well as a string
    CHECK(why(*server, Fate::not_taken) == "it is blank");
    CHECK_FALSE(mentions(*server, kUdpKey));
    CHECK_FALSE(mentions(*server, kOtpKey));
}

TEST_CASE("an entry of capyknock with a fault is left out, and the others are not") {
    const std::pair<std::string, std::string> faults[] = {{"username", "\"a b\""},
                                                          {"username", "7"},
                                                          {"username", "\"\\u00e4\""},
                                                          {"udpkey", "\"c2hvcnQ=\""},
                                                          {"udpkey", "null"},
                                                          {"otpkey", "\"GEZDGNBV\""},
                                                          {"otpkey", "\"not base32!\""},
                                                          {"target_server_ip", "\"localhost\""},
                                                          {"target_server_ip", "\"fe80::1%eth0\""},
                                                          {"target_server_port", "\"0\""},
                                                          {"target_server_port", "\"65536\""},
                                                          {"target_server_port", "-1"},
                                                          {"target_server_port", "[22]"},
                                                          {"target_server_port", "22.5"}};
    for (const auto& one : faults) {
        const std::string key = one.first, value = one.second;
        CAPTURE(key);
        CAPTURE(value);
        const auto server =
            read_capyknock_server(capyknock(capyknock_user(key, value) + "," + capyknock_user("", "")), "f");
        REQUIRE(server.has_value());
        CHECK(server->devices.size() == 1);
        CHECK(has_part(why(*server, Fate::not_taken), key));
    }
}

TEST_CASE("a file of capyknock may be nested as deep as it wants") {
    const std::string deep = std::string(200000, '[') + std::string(200000, ']');
    const auto server =
        read_capyknock_server("{\"listeningport\": 5001, \"x\": " + deep + ", \"users\": [" + deep + "]}", "f");
    REQUIRE(server.has_value());
    CHECK(server->devices.empty());
    CHECK(has_part(why(*server, Fate::not_understood), "no setting of capyknock"));
}

TEST_CASE("what is no file of capyknock's server is refused as a whole") {
    CHECK(has_part(fault(read_capyknock_server("{\n\n \"users\": [", "f")), "line 3 is no JSON"));
    CHECK(has_part(fault(read_capyknock_server("[]", "f")), "no list \"users\""));
    CHECK(has_part(fault(read_capyknock_server("{\"users\": {}}", "f")), "no list \"users\""));
    CHECK(has_part(fault(read_capyknock_server("{\"users\": []}", "f")), "\"listeningport\" is no port"));
    CHECK(has_part(fault(read_capyknock_server("{\"users\": [], \"listeningport\": 70000}", "f")), "is no port"));
    CHECK(has_part(fault(read_capyknock_server(R"({"users": [], "listeningport": 1, "listeningport": 2})", "f")),
                   "\"listeningport\" is there twice"));
    CHECK(has_part(fault(read_capyknock_server(std::string(100000, '['), "f")), "is no file of capyknock's server"));
}

TEST_CASE("c-lock's command line is found in a unit, a script and an environment file") {
    for (const std::string& text :
         {"[Service]\nExecStart=/usr/bin/c-lock-server --secret \"GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ\" -p 22 -p "
          "443 "
          "-o 8080 --time-slot 30 --log-level INFO\n",
          "#!/bin/sh\nSECRET=gezdgnbvgy3tqojqgezdgnbvgy3tqojq\nexec c-lock-server -s ${SECRET} "
          "--protected-ports=22 --protected-ports=443 --opened-ports=8080\n",
          "SECRET='GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'\nPROTECTED_PORTS=22,443\nOPENED_PORTS=8080\n"}) {
        CAPTURE(text);
        const auto server = read_c_lock_server(text, "f");
        REQUIRE(server.has_value());
        REQUIRE(server->devices.size() == 1);
        CHECK(ports(server->devices[0].ports) == "tcp/22 tcp/443");
        CHECK(server->open_ports == std::vector<std::uint16_t>{8080});
        CHECK(server->devices[0].factor.view() == std::string(kOtpKey) + "\n");
        CHECK_FALSE(mentions(*server, "GEZD"));
        CHECK_FALSE(mentions(*server, "gezd"));
    }
}

TEST_CASE("secrets of c-lock that are too short, missing or two") {
    const auto short_one = read_c_lock_server("c-lock-server -s GEZDGNBVGY3TQOJQ -p 22\n", "f");
    REQUIRE(short_one.has_value());
    CHECK(short_one->devices.empty());
    CHECK(has_part(why(*short_one, Fate::not_taken), "16 to 64 bytes"));
    const auto elsewhere = read_c_lock_server("c-lock-server -s $SECRET -p 22 --what 3\n", "f");
    REQUIRE(elsewhere.has_value());
    CHECK(has_part(why(*elsewhere, Fate::not_taken), "not in this file"));
    CHECK(has_part(rows(*elsewhere, 1), "not understood --what"));
    CHECK(has_part(fault(read_c_lock_server("c-lock-server -p 22\nhello\n", "f")), "there is no --secret"));
    CHECK(has_part(fault(read_c_lock_server("a -s GEZDGNBVGY3TQOJQ\nb -s OEZDGNBVGY3TQOJQ\n", "f")), "two secrets"));
}

TEST_CASE("a secret of 16 bytes makes the same codes with zeros behind it") {
    const auto secret = code_secret("JBSWY3DPFVQQ2ZLNNV4TK4LHFA");
    REQUIRE(secret.has_value());
    CHECK(secret->view() == "JBSWY3DPFVQQ2ZLNNV4TK4LHFAAAAAAA\n");
    CHECK_FALSE(code_secret("JBSWY3DPFVQQ2ZLNNV4TK4LH").has_value()); // 15 bytes
    CHECK_FALSE(code_secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").has_value());
    CHECK_FALSE(code_secret(std::string(200, 'B')).has_value());
    CHECK_FALSE(code_secret("").has_value());
}

TEST_CASE("hknock's secret is a device with codes of a counter") {
    const auto server = read_hknock("# hknock\nexport API_SECRET='JBSWY3DPFVQQ2ZLNNV4TK4LHFA' # ours\n"
                                    "PORT_TO_OPEN = 50000\nCOUNTER=17\nPORTS_SEQUENCE = [33330, 22220, 44440]\nhello\n",
                                    ".env");
    REQUIRE(server.has_value());
    REQUIRE(server->devices.size() == 1);
    CHECK(server->devices[0].device.factor == FactorKind::hotp);
    CHECK(server->devices[0].user.modes == std::vector{authz::KnockMode::packet, authz::KnockMode::handshake});
    CHECK(ports(server->devices[0].ports) == "tcp/50000");
    CHECK(rows(*server, 4) == "no equivalent COUNTER");
    CHECK(rows(*server, 5) == "no equivalent PORTS_SEQUENCE");
    CHECK(rows(*server, 6) == "not understood a line");
    CHECK_FALSE(mentions(*server, "JBSWY3"));
    CHECK(has_part(fault(read_hknock("A=1\n", "f")), "no API_SECRET"));
    CHECK(has_part(fault(read_hknock("API_SECRET=a\nAPI_SECRET=b\n", "f")), "twice"));
    const auto wrong = read_hknock("API_SECRET=1\n", "f");
    REQUIRE(wrong.has_value());
    CHECK(wrong->devices.empty());
}

TEST_CASE("what a firewall's command opens") {
    CHECK(knockd("/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT") == "tcp/22");
    CHECK(knockd("sudo ip6tables --insert INPUT 1 --protocol udp -m multiport --dports 53,60000:61000 --jump ACCEPT") ==
          "udp/53 udp/60000-61000");
    CHECK(knockd("iptables -I INPUT -p tcp --dport 80 -j ACCEPT; iptables -I INPUT -p tcp --dport=443 -j ACCEPT") ==
          "tcp/80 tcp/443");
    CHECK(knockd("nft add rule inet filter input ip saddr %IP% tcp dport { 22, 80 } accept") == "tcp/22 tcp/80");
    CHECK(knockd("/usr/sbin/nft 'insert rule inet filter input ip saddr %IP% tcp dport 22 accept'") == "tcp/22");
    CHECK(knockd("ufw allow from %IP% to any port 22 proto tcp") == "tcp/22");
    CHECK(knockd("ufw insert 1 allow 53") == "tcp/53 udp/53");
    CHECK(knockd("ufw allow 22/tcp") == "tcp/22");
    CHECK(knockd("firewall-cmd --add-port=8443/tcp --timeout=30") == "tcp/8443");
    CHECK(opened_by("ufw allow 22/tcp").is_for_anybody);
    CHECK_FALSE(opened_by("iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT").is_for_anybody);
    CHECK(opened_by("iptables -D INPUT -p tcp --dport 22 -j ACCEPT").closes);
    for (const char* const other :
         {"iptables -A FORWARD -p tcp --dport 22 -j ACCEPT",
          "iptables -t nat -A PREROUTING -p tcp --dport 22 -j ACCEPT", "iptables -A INPUT -p tcp --dport 22 -j DROP",
          "iptables -A INPUT -p tcp ! --dport 22 -j ACCEPT", "iptables -A INPUT -p icmp -j ACCEPT",
          "iptables -A INPUT -p tcp --dport 0 -j ACCEPT", "iptables -A INPUT -p tcp --dport 99999 -j ACCEPT",
          "nft add element inet filter allowed { %IP% }", "nft add rule inet filter forward tcp dport 22 accept",
          "/root/open.sh %IP%", "iptables", "nft", "ufw"}) {
        CAPTURE(other);
        CHECK(opened_by(other).has_unknown);
        CHECK(opened_by(other).ports.empty());
    }
    CHECK(opened_by("").ports.empty());
}

TEST_CASE("knockd's sequences are not taken over, and what they opened is") {
    const auto server =
        read_knockd_conf("before = 1\n[options]\n UseSyslog\n Interface = eth0\n what = 1\n"
                         "[opencloseSSH]\n"
                         " sequence = 2222:udp,3333:tcp\n seq_timeout = 15\n tcpflags = syn,ack\n"
                         " start_command = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j "
                         "ACCEPT\n cmd_timeout = 5\n"
                         " stop_command = /usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j "
                         "ACCEPT\n"
                         "[other]\n sequence = 1,2\n command = /root/x.sh\n nonsense\n"
                         "[closeHTTPS]\n one_time_sequences = /etc/knockd/s\n command = iptables -D INPUT -p "
                         "tcp --dport 443 -j ACCEPT\n",
                         "knockd.conf");
    REQUIRE(server.has_value());
    REQUIRE(server->devices.size() == 1);
    const OldDevice& device = server->devices[0];
    CHECK(device.wanted_name == "opencloseSSH");
    CHECK(device.user.modes == std::vector{authz::KnockMode::packet, authz::KnockMode::sequence});
    CHECK(device.device.factor == FactorKind::none);
    CHECK(device.user.lifetime == 5s);
    CHECK(device.key.empty()); // a new one
    CHECK(ports(device.ports) == "tcp/22");
    CHECK(rows(*server, 1) == "not understood a line");
    CHECK(rows(*server, 3) == "no equivalent usesyslog");
    CHECK(rows(*server, 5) == "not understood what");
    CHECK(rows(*server, 7) == "no equivalent sequence");
    CHECK(rows(*server, 10) == "taken over start_command");
    CHECK(rows(*server, 12) == "no equivalent stop_command");
    CHECK(rows(*server, 13) == "not taken over [other]");
    CHECK(rows(*server, 15) == "not understood command");
    CHECK(rows(*server, 16) == "not understood a line");
    CHECK(rows(*server, 17) == "not taken over [closeHTTPS]");
    CHECK(rows(*server, 19) == "no equivalent command");
    CHECK_FALSE(mentions(*server, "2222"));
    CHECK(has_part(fault(read_knockd_conf("[options]\nlogfile = x\n", "f")), "no section has a sequence"));
}

TEST_CASE("a source is a text of its owner, and no link") {
    const test::TemporaryDirectory directory;
    const auto write = [&](const std::string& name, const std::string& text, mode_t mode) {
        const std::string path = directory.path() + "/" + name;
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
        return path;
    };
    const std::string good = write("good", "a\nb", 0600);
    REQUIRE(read_source(good).has_value());
    CHECK(read_source(good)->text.view() == "a\nb");
    CHECK_FALSE(read_source(good)->others_can_read);
    CHECK(read_source(write("seen", "a", 0644))->others_can_read);
    CHECK(has_part(fault(read_source(write("open", "a", 0620))), "can be written by others"));
    CHECK(has_part(fault(read_source(write("zero", std::string("a\nb\0c", 5), 0600))), ":2: there is a byte of zero"));
    CHECK(read_source(write("most", std::string(kMostSource, 'a'), 0600)).has_value());
    CHECK(has_part(fault(read_source(write("more", std::string(kMostSource + 1, 'a'), 0600))), "larger than 1024 KiB"));
    const std::string link = directory.path() + "/link";
    REQUIRE(::symlink(good.c_str(), link.c_str()) == 0);
    CHECK(has_part(fault(read_source(link)), "symbolic link"));
    CHECK(has_part(fault(read_source(directory.path())), "not a regular file"));
    CHECK_FALSE(read_source(good + "-not").has_value());
}

TEST_CASE("files that are cut off or spoiled at any place are read to the end") {
    using Reader = Result<OldServer> (*)(std::string_view, const std::string&);
    const std::pair<Reader, std::string> all[] = {
        {read_access_conf,
         stanza("OPEN_PORTS tcp/22, udp/1-9\nACCESS_EXPIRE 1/2/2030\nFW_ACCESS_TIMEOUT 3\n%include x\n")},
        {read_capyknock_server, capyknock(capyknock_user("", ""))},
        {read_c_lock_server, "S='a b'\nExecStart=x --secret \"" + std::string(kOtpKey) + "\" -p 22 -o $S --x=\n"},
        {read_hknock, "export API_SECRET='" + std::string(kOtpKey) + "' # x\nPORT_TO_OPEN = 5\n"},
        {read_knockd_conf, "[a]\nsequence = 1,2\ncommand = nft add rule x tcp dport { 1, 2 } accept; ufw allow in 3\n"
                           "cmd_timeout = 4\n[b]\nstart_command = iptables -A INPUT -p tcp --dports 1:2 -j ACCEPT\n"}};
    for (const auto& [read, text] : all)
        for (std::size_t at = 0; at < text.size(); ++at) {
            (void)read(text.substr(0, at), "f").has_value();
            (void)read(text.substr(at), "f").has_value();
            for (const char c : {'\n', '"', '\'', '{', '=', ' ', '\xff', '\\', '$', '-'}) {
                std::string spoiled = text;
                spoiled[at] = c;
                if (const auto server = read(spoiled, "f"))
                    CHECK(server->devices.size() <= 2);
            }
        }
}
