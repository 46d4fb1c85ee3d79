// SPDX-License-Identifier: MIT
#include "client/profile_store.h"

#include "protocol/base/secure_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace xk;
using namespace xk::client;
namespace fs = std::filesystem;

namespace {

class Ground {
  public:
    Ground() {
        char name[] = "/tmp/xk-store.XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        root_ = name;
    }
    ~Ground() { fs::remove_all(root_); }
    Ground(const Ground&) = delete;
    Ground& operator=(const Ground&) = delete;
    std::string directory() const { return root_ + "/.config/xknock"; }
    std::string file(const std::string& name) const { return directory() + "/" + name + ".yaml"; }
    Result<StoredProfile> store(const std::string& text, const std::string& name, bool force = false) const {
        return store_profile(text, {.directory = directory(), .name = name, .force = force});
    }
    std::string fault(const std::string& text, const std::string& name, bool force = false) const {
        const auto stored = store(text, name, force);
        return stored ? "" : stored.error().message;
    }
    std::size_t files() const {
        std::size_t count = 0;
        if (fs::exists(directory()))
            for ([[maybe_unused]] const auto& entry : fs::directory_iterator(directory()))
                ++count;
        return count;
    }

  private:
    std::string root_;
};

std::string profile_text(const std::string& host, const std::string& credential = "0123456789abcdef") {
    return "hosts: [\"" + host + "\"] # mine\nserver_id: \"00112233445566778899aabbccddeeff\"\ncredential: \"" +
           credential + "\"\nkey: \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\"\nfactor: none\n";
}

std::string content(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

unsigned mode(const std::string& path) {
    struct stat st {};
    return ::stat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
}

} // namespace

TEST_CASE("a profile is stored as it is, for this user alone, whatever the umask") {
    const Ground ground;
    const mode_t before = ::umask(0);
    const auto stored = ground.store(profile_text("a.example"), "a.example");
    ::umask(before);
    REQUIRE(stored.has_value());
    CHECK(stored->file == ground.file("a.example"));
    CHECK(content(stored->file) == profile_text("a.example"));
    CHECK(mode(stored->file) == 0600);
    CHECK(mode(ground.directory()) == 0700);
    CHECK(stored->profile.has_host("a.example"));
    CHECK_FALSE(stored->was_there);
    CHECK(ground.files() == 1);
    const auto again = ground.store(profile_text("a.example"), "a.example");
    REQUIRE(again.has_value());
    CHECK(again->was_there);
}

TEST_CASE("another profile is replaced by force alone") {
    const Ground ground;
    REQUIRE(ground.store(profile_text("a.example"), "a").has_value());
    const std::string other = profile_text("a.example", "fedcba9876543210");
    CHECK(ground.fault(other, "a").find("is another profile, which stays as it is") != std::string::npos);
    CHECK(content(ground.file("a")) == profile_text("a.example"));
    REQUIRE(ground.store(other, "a", true).has_value());
    CHECK(content(ground.file("a")) == other);
    CHECK(ground.files() == 1);
}

TEST_CASE("two profiles are for one host by force alone, and then it is said") {
    const Ground ground;
    REQUIRE(ground.store(profile_text("a.example"), "a").has_value());
    const std::string other = profile_text("A.EXAMPLE", "fedcba9876543210");
    CHECK(ground.fault(other, "b").find("is a profile for the same host") != std::string::npos);
    // The names of files are names of hosts too.
    CHECK(ground.fault(profile_text("c.example", "fedcba9876543210"), "A").find("for the same host") !=
          std::string::npos);
    CHECK(ground.fault(profile_text("a", "fedcba9876543210"), "c").find("for the same host") != std::string::npos);
    CHECK(ground.files() == 1);
    const auto stored = ground.store(other, "b", true);
    REQUIRE(stored.has_value());
    CHECK(stored->rival == ground.file("a"));
    CHECK(ground.files() == 2);
    CHECK(ground.store(profile_text("d.example"), "d").has_value());
}

TEST_CASE("what no profile is, is not stored") {
    const Ground ground;
    for (const std::string& text :
         {std::string(), std::string("x"), std::string("key: abc\n"), profile_text("a") + "otp_command: [reboot]\n",
          profile_text("a") + "extra: 1\n", std::string("\0\0", 2), std::string("\xff\xfe")}) {
        const auto stored = ground.store(text, "a", true);
        CHECK_MESSAGE(!stored.has_value(), text);
        if (!stored)
            CHECK(stored.error().exit == Exit::configuration);
    }
    CHECK(ground.files() == 0);
}

TEST_CASE("a link or a directory in the profile's place is left alone") {
    const Ground ground;
    REQUIRE(ground.store(profile_text("a.example"), "a").has_value());
    fs::create_symlink("a.yaml", ground.file("b"));
    fs::create_directory(ground.file("c"));
    for (const char* name : {"b", "c"})
        CHECK(ground.fault(profile_text("d.example"), name, true).find("is not a regular file") != std::string::npos);
    CHECK(content(ground.file("a")) == profile_text("a.example"));
}

TEST_CASE("where others may write the directory, nothing stays in it") {
    const Ground ground;
    REQUIRE(ground.store(profile_text("a.example"), "a").has_value());
    REQUIRE(::chmod(ground.directory().c_str(), 0777) == 0);
    CHECK(ground.fault(profile_text("b.example"), "b").find("can be written by others") != std::string::npos);
    CHECK(ground.files() == 1);
}

TEST_CASE("a profile may be called as a host is") {
    for (const char* name : {"a", "server.example.net", "192.0.2.1", "2001:db8::1", "a_b-c"})
        CHECK_MESSAGE(is_profile_name(name), name);
    for (const char* name : {"", ".", "..", ".a", "-a", "a/b", "../a", "a b", "config", "a\n", "a%b", "\xc3\xa4"})
        CHECK_MESSAGE(!is_profile_name(name), name);
    CHECK_FALSE(is_profile_name(std::string(201, 'a')));
}
