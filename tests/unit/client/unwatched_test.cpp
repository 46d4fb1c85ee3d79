// SPDX-License-Identifier: MIT
#include "client/unwatched.h"

#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <fstream>

using namespace xk;
using namespace xk::client;

namespace {

Profile some_profile() {
    const test::TemporaryDirectory directory;
    const std::string file = std::string(directory.path()) + "/server.yaml";
    std::ofstream(file) << "server_id: \"b773f9a54a28777aa850a3011ff9ea05\"\ncredential: \"78b43b124fd41ca6\"\n"
                           "key: \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\nfactor: none\n";
    ::chmod(file.c_str(), 0600);
    return load_profile(file).value();
}

const Address kFour = Address::v4(127, 0, 0, 1), kOther = Address::v4(127, 0, 0, 2), kSix = *Address::parse("::1");

// The text of the targets that are taken of these, each with a knock at itself or at `server`.
std::vector<std::string> taken(const std::vector<Address>& targets, const RequestSpec& spec, bool is_gateway = false,
                               std::optional<Address> server = {}) {
    static const Profile profile = some_profile();
    std::vector<Way> ways;
    for (const Address& target : targets) {
        Way way;
        way.target = target;
        if (auto knock = Knock::prepare(profile, spec, server.value_or(target)))
            way.knock = *std::move(knock);
        ways.push_back(std::move(way));
    }
    std::vector<std::string> texts;
    for (const Way& way : unwatched_ways(std::move(ways), spec, is_gateway))
        texts.push_back(way.target.text());
    return texts;
}

using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("what cannot be tried is opened for both families, because the program may use either") {
    CHECK(taken({kSix, kOther, kFour}, {}) == Texts{"::1", "127.0.0.2"});
    RequestSpec test;
    test.action = Action::probe;
    CHECK(taken({kFour, kOther}, test) == Texts{"127.0.0.1"});
}

TEST_CASE("one connection, or another address, gets one grant") {
    RequestSpec single, delegated;
    single.single_use = true;
    delegated.for_address = kOther;
    CHECK(taken({kSix, kFour}, single) == Texts{"::1"});
    CHECK(taken({kSix, kFour}, delegated) == Texts{"::1"});
}

TEST_CASE("a close goes to every address, and once to a server that stands for several") {
    for (const Action action : {Action::close, Action::close_all}) {
        RequestSpec spec;
        spec.action = action;
        CHECK(taken({kSix, kFour, kOther}, spec) == Texts{"::1", "127.0.0.1", "127.0.0.2"});
        CHECK(taken({kFour, kOther}, spec, false, kFour) == Texts{"127.0.0.1"});
        CHECK(taken({kFour, kOther}, spec, true, kFour) == Texts{"127.0.0.1", "127.0.0.2"});
    }
}
