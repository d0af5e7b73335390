from django.core.management.base import BaseCommand, CommandError

from memvid_site import first_run


class Command(BaseCommand):
    help = "Makes the first administrator and the first workspace where there are none, and prints the login."

    def handle(self, *args: object, **options: object) -> None:
        try:
            user, password = first_run.administrator()
        except first_run.BadAddress as error:
            raise CommandError(str(error)) from None
        first_run.first_workspace(user)
        self.stdout.write(f"email     {user.email}")
        self.stdout.write(f"password  {password or 'the one that you chose'}")
