"""What a class needs: exercises that are checked, notebooks for students, a flow, a leaderboard."""
