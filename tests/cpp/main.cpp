// corange_tests [FILTER]   runs the tests whose "file: name" contains FILTER, all without; exit code 1 when one fails or none matches.
#include "check.hpp"

int main(int argc, char** argv) { return check::run(argc > 1 ? argv[1] : "") == 0 ? 0 : 1; }
